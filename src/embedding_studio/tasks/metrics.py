"""What is counted of tasks."""

import logging
from itertools import product
from typing import Literal, get_args

from prometheus_client import Counter, Histogram

from embedding_studio.tasks.domain import TaskKind

__all__ = ["Ending", "note_attempt"]

logger = logging.getLogger(__name__)

Ending = Literal["succeeded", "partial", "failed", "cancelled", "paused", "postponed", "interrupted", "lost"]
"""How an attempt ended: postponed, it is tried again; interrupted, its worker stopped; lost, another worker has it."""

_BUCKETS = (0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0)

_ATTEMPTS = Counter("embedding_studio_task_attempts", "Attempts at tasks, by how they ended", ("kind", "ending"))

_SECONDS = Histogram(
    "embedding_studio_task_seconds", "Seconds that attempts at tasks took", ("kind",), buckets=_BUCKETS
)


for _kind, _ending in product(get_args(TaskKind), get_args(Ending)):
    _ATTEMPTS.labels(_kind, _ending)  # from 0 on, so that the first failure is seen to be one more


def note_attempt(kind: TaskKind, ending: Ending, seconds: float) -> None:
    """Count an attempt, and say how it ended."""
    _ATTEMPTS.labels(kind, ending).inc()
    _SECONDS.labels(kind).observe(seconds)
    logger.info("a task of the kind %s: %s", kind, ending, extra={"kind": kind, "ms": round(seconds * 1000, 3)})
