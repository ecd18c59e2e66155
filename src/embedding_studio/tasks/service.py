"""Submitting tasks and looking at them."""

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime, timedelta

import redis

from embedding_studio.infra.jobs import JobQueue
from embedding_studio.infra.log import fact, note
from embedding_studio.kernel.errors import InvalidError
from embedding_studio.kernel.ids import new_id
from embedding_studio.kernel.storable import refuse_unstorable
from embedding_studio.kernel.time import Clock
from embedding_studio.tasks.domain import FINISHED, PAUSABLE, Backlogged, TaskKind, TaskState
from embedding_studio.tasks.errors import IdempotencyConflictError, TaskNotFoundError, TaskStateError
from embedding_studio.tasks.jobs import Job
from embedding_studio.tasks.models import IdempotencyKey, Task
from embedding_studio.tasks.repository import TaskRepository
from embedding_studio.tasks.settings import TaskSettings

__all__ = ["Idempotency", "Prepare", "TaskService"]

logger = logging.getLogger(__name__)

Prepare = Callable[[str], Awaitable[None]]
"""Stores what a task will need, given its id; safe to run twice."""

_MAX_KEY = 255
_POLL = 0.05
_SEND_WITHIN = 2.0  # seconds
_OPEN: tuple[TaskState, ...] = ("pending", "running")


@dataclass(frozen=True, slots=True)
class Idempotency:
    """A client's key and the request it stands for."""

    key: str
    scope: str
    body: bytes

    def __post_init__(self) -> None:
        """Refuse keys that are no short printable text."""
        if not 1 <= len(self.key) <= _MAX_KEY or not self.key.isprintable():
            raise InvalidError.at("Idempotency-Key", f"must be 1 to {_MAX_KEY} printable characters")

    @property
    def fingerprint(self) -> str:
        """Of the request's body."""
        return hashlib.sha256(self.body).hexdigest()


class TaskService:
    """The document first, then the message."""

    def __init__(self, *, tasks: TaskRepository, queue: JobQueue, clock: Clock, settings: TaskSettings) -> None:
        self._tasks = tasks
        self._queue = queue
        self._clock = clock
        self._settings = settings

    async def submit(
        self,
        job: Job,
        *,
        collection: str | None,
        payload: dict[str, object] | None = None,
        total: int = 0,
        is_bulk: bool = False,
        idempotency: Idempotency | None = None,
        prepare: Prepare | None = None,
    ) -> Task:
        """Accept work: once this returns, the work will be done or reported, whatever dies.

        Args:
            job: What to do.
            collection: Whose task it is.
            payload: What the handler gets.
            total: How much there is to do, in the task's own units.
            is_bulk: Whether it is long, and may wait behind short work of its kind.
            idempotency: The client's key; a key that is known gives the task it stands for.
            prepare: Stores what the task will need.

        Raises:
            IdempotencyConflictError: The key stands for another request.
            InvalidError: The payload cannot be stored; nothing was written.
        """
        for name, value in (payload or {}).items():
            refuse_unstorable(value, name, in_document=True)
        task_id = await self._reserve(idempotency)
        known = await self._tasks.get(task_id) if idempotency else None
        if known:
            return known
        if prepare:
            await prepare(task_id)
        task = Task(
            id=task_id,
            kind=job.kind,
            queue=(is_bulk and job.bulk_queue) or job.queue,
            collection=collection,
            payload=payload or {},
            progress={"done": 0, "total": total},
            created_at=self._clock(),
            request_id=fact("request_id"),
        )
        note(task_id=task.id)
        await self._tasks.add(task)
        await self.send(task)
        return task

    async def send(self, task: Task) -> None:
        """Send the task's message; a message that Redis does not take within two seconds is left to the sweeper."""
        try:
            async with asyncio.timeout(_SEND_WITHIN):
                await self._queue.send(queue=task.queue, kind=task.kind, task_id=task.id)
        except (redis.RedisError, TimeoutError):
            logger.warning("task %s waits for the sweeper: Redis does not answer", task.id)
            return
        await self._tasks.mark_sent(task.id, self._clock())

    async def get(self, task_id: str) -> Task:
        """The task as it stands.

        Raises:
            TaskNotFoundError: There is none.
        """
        task = await self._tasks.get(task_id)
        if task is None:
            raise TaskNotFoundError(task_id)
        note(task_id=task_id)
        return task

    async def cancel(self, task_id: str) -> Task:
        """Stop a task, at once if it waits, within two seconds if it runs; what it has done stays done.

        Raises:
            TaskNotFoundError: There is none.
            TaskStateError: It has finished.
        """
        return await self._change(task_id, await self._tasks.cancel(task_id, self._clock()), "has finished")

    async def pause(self, task_id: str, *, paused: bool) -> Task:
        """Stop a task so that it goes on where it was, or let it go on.

        Raises:
            TaskNotFoundError: There is none.
            TaskStateError: It has finished, or is of a kind that cannot go on where it was.
        """
        if (task := await self.get(task_id)).kind not in PAUSABLE:
            raise TaskStateError(f"a task of the kind {task.kind} cannot be paused")
        task = await self._change(task_id, await self._tasks.pause(task_id, paused=paused), "has finished")
        if not paused:
            await self.send(task)
        return task

    async def retry(self, task_id: str) -> Task:
        """Try the failed items of a task again.

        Raises:
            TaskNotFoundError: There is none.
            TaskStateError: It has not failed, not even in part.
        """
        waiting = await self._tasks.retry(task_id)
        task = await self._change(task_id, waiting is not None, "has not failed")
        await self.send(task)
        return task

    async def _change(self, task_id: str, was_changed: bool, otherwise: str) -> Task:  # noqa: FBT001  # an outcome, no flag
        task = await self.get(task_id)
        if not was_changed:
            raise TaskStateError(f"the task {task_id} {otherwise}: it is {task.state}")
        return task

    async def states(self, task_ids: Sequence[str]) -> dict[str, TaskState]:
        """The state of each of the tasks that exists."""
        return await self._tasks.states(task_ids)

    async def is_open(self, kind: TaskKind, collection: str) -> bool:
        """Whether a task of this kind waits or runs."""
        for state in _OPEN:
            if await self._tasks.page(kind=kind, state=state, collections={collection}, before=None, limit=1):
                return True
        return False

    async def page(
        self,
        *,
        kind: TaskKind | None = None,
        state: TaskState | None = None,
        collections: AbstractSet[str] | None = None,
        before: str | None = None,
        limit: int = 100,
    ) -> list[Task]:
        """Tasks, newest first; of these collections alone, if they are given."""
        return await self._tasks.page(kind=kind, state=state, collections=collections, before=before, limit=limit)

    async def open_of(self, *, limit: int) -> list[tuple[TaskKind, TaskState, int, float]]:
        """By kind and state, how many tasks are not finished, and the age of the oldest in seconds; of `limit`."""
        now = self._clock()
        return [
            (kind, state, count, max(0.0, (now - first).total_seconds()))
            for kind, state, count, first in await self._tasks.open_of(limit=limit)
        ]

    async def backlog(self, at: datetime, *, patience: timedelta, since: datetime) -> list[Backlogged]:
        """What is not finished, and what failed since a time, by kind and queue; `patience` says what is late."""
        return await self._tasks.backlog(at, patience=patience, since=since)

    async def wait(self, task_id: str) -> Task:
        """The task once it has finished, or as it stands when the time to wait is over."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._settings.wait_limit
        task = await self.get(task_id)
        while task.state not in FINISHED and loop.time() < deadline:
            await asyncio.sleep(_POLL)
            task = await self.get(task_id)
        return task

    async def delete_of(self, collection: str) -> None:
        """Forget the tasks of a deleted collection."""
        await self._tasks.delete_of(collection)

    async def _reserve(self, idempotency: Idempotency | None) -> str:
        if idempotency is None:
            return new_id()
        key = IdempotencyKey(
            id=f"{idempotency.scope} {idempotency.key}",
            fingerprint=idempotency.fingerprint,
            task_id=new_id(),
            created_at=self._clock(),
        )
        reserved = await self._tasks.reserve(key)
        if reserved.fingerprint != idempotency.fingerprint:
            raise IdempotencyConflictError(idempotency.key)
        return reserved.task_id
