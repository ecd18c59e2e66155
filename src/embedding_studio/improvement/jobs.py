"""What may be sent to the improvement workers."""

from embedding_studio.infra.jobs import Signal

__all__ = ["LEARN"]

LEARN = Signal(name="learn", queue="learn", time_limit=300.0)
"""Tells, by a collection's name, that it has sessions to learn from."""
