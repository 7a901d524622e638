"""What comes out: a cutout, the people on something new, an ID photo. In memory, until saved."""
