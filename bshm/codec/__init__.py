"""Bytes <-> pixels: what a file is, how it is decoded, how a result is encoded."""
