"""Training of the embedded weights: data fusion, networks, losses, stages, export."""
