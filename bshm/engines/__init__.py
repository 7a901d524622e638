"""Engines: run a matting graph on one framework each, behind the same small interface."""
