"""What runs the network: engines, the CPUs they may use, and the weights they run."""
