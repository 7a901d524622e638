"""The command line. Nothing outside this folder prints, reads argv or exits."""
