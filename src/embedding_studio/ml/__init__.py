"""Torch: exporting encoders and training adapters, one idea a file."""
