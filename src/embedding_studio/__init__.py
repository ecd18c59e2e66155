"""Embedding Studio: a search engine that gets better from use."""

from importlib.metadata import version

__all__ = ["__version__"]

__version__ = version("embedding-studio")
