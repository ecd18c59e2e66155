"""Garbage collection in processes that live long and make many small objects."""

import gc

__all__ = ["calm_collector"]

_YOUNG = 20_000
"""Objects between two collections. At Python's 700 a batch of a thousand items sets off dozens, and those of the oldest
generation walk all that the imported libraries hold."""


def calm_collector() -> None:
    """Leave what the start has made out of all later collections, and collect less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, 10, 10)
