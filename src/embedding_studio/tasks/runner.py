"""Running a task in a worker: claim, heartbeat, outcome."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from embedding_studio.infra.log import logged
from embedding_studio.infra.outages import OUTAGES, as_unavailable
from embedding_studio.kernel.errors import InvalidError, StudioError
from embedding_studio.kernel.ids import new_id
from embedding_studio.kernel.time import Clock
from embedding_studio.tasks.domain import Outcome, Wish
from embedding_studio.tasks.errors import AbandonedError, LeaseLostError, OverdueError
from embedding_studio.tasks.jobs import Job
from embedding_studio.tasks.metrics import Ending, note_attempt
from embedding_studio.tasks.models import Task
from embedding_studio.tasks.repository import TaskRepository
from embedding_studio.tasks.settings import TaskSettings

__all__ = ["Handler", "Run", "TaskRunner"]

logger = logging.getLogger(__name__)

_BEATS_PER_LEASE = 4
_SLOWEST_BEAT = 1.0  # seconds until a wish is heard
_FINISH_WITHIN = 60.0  # seconds


class Run:
    """One attempt at a task, as its handler sees it.

    Attributes:
        attempts: How many there were, this one included.
        retries: How often somebody asked to try the failed items again.
        wish: Why the handler is being cancelled, where somebody wants that of the task.
    """

    def __init__(self, task: Task, tasks: TaskRepository) -> None:
        self.task_id = task.id
        self.collection = task.collection or ""
        self.payload: dict[str, Any] = task.payload
        self.total = task.progress.total
        self.attempts = task.attempts
        self.retries = task.retries
        self.wish: Wish | None = None
        self._owner = task.lease_owner or ""
        self._tasks = tasks

    async def advance(self, done: int, total: int | None = None) -> None:
        """Report progress.

        Raises:
            LeaseLostError: Another worker has the task.
        """
        self.total = self.total if total is None else total
        if not await self._tasks.advance(self.task_id, owner=self._owner, done=done, total=self.total):
            raise LeaseLostError(f"task {self.task_id} is no longer ours")

    async def remember(self, **facts: object) -> None:
        """Add to the payload what a later attempt could not find out again.

        Raises:
            LeaseLostError: Another worker has the task.
        """
        if not await self._tasks.remember(self.task_id, owner=self._owner, facts=facts):
            raise LeaseLostError(f"task {self.task_id} is no longer ours")
        self.payload |= facts


Handler = Callable[[Run], Awaitable[Outcome]]
"""Does a task's work; safe to run twice, and from where a dead attempt left it."""


class TaskRunner:
    """Runs handlers under a lease, so that a task is worked on by one live worker at a time."""

    def __init__(self, *, tasks: TaskRepository, clock: Clock, settings: TaskSettings) -> None:
        self._tasks = tasks
        self._clock = clock
        self._settings = settings

    async def run(self, job: Job, handler: Handler, task_id: str) -> None:
        """Do the task if it is to be had; a task that is done, taken or not yet due is left alone."""
        owner = new_id()
        task = await self._tasks.claim(task_id, owner=owner, at=self._clock(), until=self._lease_end())
        if task is None:
            return
        started = time.perf_counter()
        ending: Ending = "interrupted"
        with logged(request_id=task.request_id, task_id=task_id, collection=task.collection):
            try:
                ending = await self._run(job, handler, task, owner)
            finally:
                note_attempt(job.kind, ending, time.perf_counter() - started)

    async def _run(self, job: Job, handler: Handler, task: Task, owner: str) -> Ending:
        """Do a task that was claimed; returns how the attempt ended."""
        if task.fruitless > job.max_attempts:
            return await self._failed(job, task, owner, AbandonedError(job.max_attempts))
        run = Run(task, self._tasks)
        work = asyncio.ensure_future(handler(run))
        heart = asyncio.create_task(self._beat(run, owner, work))
        clock = asyncio.timeout(job.time_limit)
        try:
            async with clock:
                outcome = await work
        except asyncio.CancelledError:
            if not heart.done():
                await self._give_back(task.id, owner)
                raise
            return await self._stopped(run, owner)
        except LeaseLostError:
            return self._lost(run)
        except Exception as error:  # noqa: BLE001  # the edge: whatever a handler raises ends in the task's document
            return await self._failed(job, task, owner, OverdueError(job.time_limit) if clock.expired() else error)
        else:
            await self._finish(task.id, owner, outcome)
            return outcome.state
        finally:
            heart.cancel()
            with suppress(asyncio.CancelledError):
                await heart

    async def _beat(self, run: Run, owner: str, work: "asyncio.Future[Outcome]") -> None:
        """Keep the lease; ends, and the work with it, when the task is lost or somebody wants it stopped."""
        while True:
            await asyncio.sleep(min(_SLOWEST_BEAT, self._settings.lease / _BEATS_PER_LEASE))
            try:
                kept, run.wish = await self._tasks.renew(run.task_id, owner=owner, until=self._lease_end())
            except OUTAGES as error:
                logger.warning("task %s: %s", run.task_id, as_unavailable(error).detail)
                continue
            except Exception:  # the edge: a heart that ends would leave the work without a lease
                logger.exception("the lease of task %s could not be renewed", run.task_id)
                continue
            if run.wish or not kept:
                work.cancel()
                return

    async def _finish(self, task_id: str, owner: str, outcome: Outcome) -> None:
        """Write down how it ended, again and again for a while: the work would be done once more for nothing."""
        patience = time.monotonic() + _FINISH_WITHIN
        while True:
            try:
                await self._tasks.finish(task_id, owner=owner, outcome=outcome, at=self._clock())
            except OUTAGES as error:
                if time.monotonic() > patience:
                    raise
                why = as_unavailable(error).detail
                logger.warning("task %s is done, which is not written down yet: %s", task_id, why)
                await asyncio.sleep(_SLOWEST_BEAT)
            else:
                return

    async def _stopped(self, run: Run, owner: str) -> Ending:
        match run.wish:
            case "cancel":
                await self._tasks.cancelled(run.task_id, owner=owner, at=self._clock())
                return "cancelled"
            case "pause":
                await self._give_back(run.task_id, owner)
                return "paused"
            case None:
                return self._lost(run)

    @staticmethod
    def _lost(run: Run) -> Ending:
        logger.warning("task %s was taken over", run.task_id)
        return "lost"

    async def _give_back(self, task_id: str, owner: str, *, until: datetime | None = None) -> None:
        """Leave the task to a later attempt, unless somebody wants it cancelled."""
        if not await self._tasks.postpone(task_id, owner=owner, until=until):
            await self._tasks.cancelled(task_id, owner=owner, at=self._clock())

    async def _failed(self, job: Job, task: Task, owner: str, error: Exception) -> Ending:
        known = as_unavailable(error) if isinstance(error, OUTAGES) else error
        retryable = isinstance(known, StudioError) and known.retryable
        if retryable and task.fruitless < job.max_attempts:
            delay = self._settings.retry_delay * 2 ** (task.fruitless - 1)
            logger.warning("task %s is tried again in %.0f s: %s", task.id, delay, known)
            await self._give_back(task.id, owner, until=self._clock() + timedelta(seconds=delay))
            return "postponed"
        logger.error("task %s failed", task.id, exc_info=error)
        await self._tasks.fail(task.id, owner=owner, error=_problem(known), at=self._clock())
        return "failed"

    def _lease_end(self) -> datetime:
        return self._clock() + timedelta(seconds=self._settings.lease)


def _problem(error: Exception) -> dict[str, object]:
    if not isinstance(error, StudioError):
        return {"type": "about:blank", "title": "Unexpected error", "detail": type(error).__name__}
    problem: dict[str, object] = {"type": "about:blank", "title": type(error).__name__, "detail": error.detail}
    if isinstance(error, InvalidError):
        problem["errors"] = [{"field": place.field, "message": place.message} for place in error.errors]
    return problem
