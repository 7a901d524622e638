"""Accuracy and speed, each measured by one command. See benchmarks/README.md."""
