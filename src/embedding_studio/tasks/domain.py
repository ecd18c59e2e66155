"""What a task is: the one lifecycle of all long work."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

__all__ = [
    "FINISHED",
    "PAUSABLE",
    "RETRYABLE",
    "Backlogged",
    "FailedItem",
    "Outcome",
    "Stage",
    "TaskKind",
    "TaskState",
    "Wish",
]

TaskKind = Literal["upsert", "delete", "ingest", "reindex", "optimize", "fine_tune", "deploy", "retire", "forget"]
TaskState = Literal["pending", "running", "succeeded", "partial", "failed", "cancelled"]
Stage = Literal["load", "split", "embed", "write"]

Wish = Literal["cancel", "pause"]
"""What somebody wants of a running task."""

PAUSABLE: frozenset[TaskKind] = frozenset({"upsert", "delete", "ingest", "reindex"})
"""Kinds that go on where they were stopped."""

RETRYABLE: frozenset[TaskState] = frozenset({"failed", "partial"})
FINISHED: frozenset[TaskState] = frozenset({"succeeded", "partial", "failed", "cancelled"})


@dataclass(frozen=True, slots=True)
class Backlogged:
    """The tasks of a kind on a queue that are not finished, or failed of late.

    Attributes:
        waiting: Are due since long and were not begun.
        alive: Are worked on.
        orphaned: Were begun by a worker that is gone since long.
        failed: Failed of late.
    """

    kind: TaskKind
    queue: str
    waiting: int
    alive: int
    orphaned: int
    failed: int


@dataclass(frozen=True, slots=True)
class FailedItem:
    """An item that did not get through, where it stopped and why.

    Attributes:
        is_outage: The reason lies elsewhere and may pass: trying again may be all it needs.
    """

    id: str
    stage: Stage
    reason: str
    is_outage: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a handler's work ended; a handler that raises has failed instead.

    Attributes:
        failures: The first thousand items that did not get through, of `failed_total`.
    """

    state: Literal["succeeded", "partial", "failed"] = "succeeded"
    result: dict[str, object] | None = None
    failures: Sequence[FailedItem] = ()
    failed_total: int = 0

    @classmethod
    def of_items(cls, total: int, failures: Sequence[FailedItem], *, failed_total: int) -> "Outcome":
        """All failed: `failed`. Some failed: `partial`."""
        state: Literal["succeeded", "partial", "failed"] = "partial"
        if failed_total == 0:
            state = "succeeded"
        elif failed_total >= total:
            state = "failed"
        return cls(state, None, failures, failed_total)
