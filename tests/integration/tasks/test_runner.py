"""A task is worked on by one live worker at a time, and whatever happens is written into its document."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from prometheus_client import REGISTRY

from embedding_studio.infra.log import fact, logged
from embedding_studio.kernel.errors import ConflictError, InvalidError, UnavailableError
from embedding_studio.tasks import Handler, LeaseLostError, Outcome, Run, TaskRepository, TaskSettings

from .conftest import JOB, Tasks

pytestmark = pytest.mark.anyio


def returning(outcome: Outcome) -> Handler:
    async def handler(_run: Run) -> Outcome:  # handlers are coroutines
        return outcome

    return handler


def raising(error: Exception) -> Handler:
    async def handler(_run: Run) -> Outcome:  # handlers are coroutines
        raise error

    return handler


class Worker:
    """A handler that waits to be let go, and tells what it saw."""

    def __init__(self) -> None:
        self.started = asyncio.Event()
        self.go = asyncio.Event()
        self.runs: list[Run] = []

    async def __call__(self, run: Run) -> Outcome:
        self.runs.append(run)
        self.started.set()
        await self.go.wait()
        await run.advance(10)
        return Outcome(result={"by": len(self.runs)})


async def started(tasks: Tasks, worker: Worker, task_id: str) -> "asyncio.Task[None]":
    running = asyncio.create_task(tasks.runner.run(JOB, worker, task_id))
    async with asyncio.timeout(60):
        await worker.started.wait()
    worker.started.clear()
    return running


async def test_what_a_handler_answers_is_written_down(tasks: Tasks) -> None:
    task_id = await tasks.submit()
    tasks.pass_time(1)
    await tasks.runner.run(JOB, returning(Outcome("partial", {"a": 1}, failed_total=2)), task_id)
    task = await tasks.get(task_id)
    assert (task.state, task.result, task.failed_total, task.attempts) == ("partial", {"a": 1}, 2, 1)
    assert task.created_at < (task.started_at or task.created_at) <= (task.finished_at or task.created_at)
    assert (task.lease_owner, task.lease_until, task.error) == (None, None, None)


async def test_two_workers_at_once_run_a_task_once(tasks: Tasks) -> None:
    task_id, worker = await tasks.submit(), Worker()
    running = await started(tasks, worker, task_id)
    await asyncio.gather(*(tasks.runner.run(JOB, worker, task_id) for _ in range(5)))
    worker.go.set()
    await running
    assert len(worker.runs) == 1
    assert (await tasks.get(task_id)).progress.done == 10


async def test_a_finished_task_is_not_run_again(tasks: Tasks) -> None:
    task_id = await tasks.submit()
    await tasks.runner.run(JOB, returning(Outcome(result={"first": True})), task_id)
    await tasks.runner.run(JOB, raising(AssertionError()), task_id)
    assert (await tasks.get(task_id)).result == {"first": True}


async def test_a_message_about_no_task_is_ignored(tasks: Tasks) -> None:
    await tasks.runner.run(JOB, raising(AssertionError()), "no-such-task")


async def test_a_dead_workers_task_is_taken_over_once_its_lease_has_run_out(tasks: Tasks) -> None:
    task_id, dead, heir = await tasks.submit(), Worker(), Worker()
    zombie = await started(tasks, dead, task_id)  # its clock stands still from here on, as does its heart
    tasks.pass_time(59)
    await tasks.runner.run(JOB, heir, task_id)
    assert not heir.runs
    tasks.pass_time(2)
    heir.go.set()
    await tasks.runner.run(JOB, heir, task_id)
    task = await tasks.get(task_id)
    assert (task.state, task.attempts, len(heir.runs)) == ("succeeded", 2, 1)
    dead.go.set()
    await zombie
    assert await tasks.get(task_id) == task


async def test_who_lost_the_lease_learns_it_when_it_reports(tasks: Tasks) -> None:
    task_id, dead, heir = await tasks.submit(), Worker(), Worker()
    zombie = await started(tasks, dead, task_id)
    tasks.pass_time(61)
    successor = await started(tasks, heir, task_id)
    with pytest.raises(LeaseLostError):
        await dead.runs[0].advance(3)
    dead.go.set()
    await zombie
    assert (await tasks.get(task_id)).state == "running"
    heir.go.set()
    await successor
    assert (await tasks.get(task_id)).state == "succeeded"


async def test_a_heartbeat_keeps_the_lease_of_long_work(tasks: Tasks) -> None:
    tasks.settings = TaskSettings(lease=0.2)
    task_id, worker = await tasks.submit(), Worker()
    running = await started(tasks, worker, task_id)
    first = (await tasks.get(task_id)).lease_until
    assert first is not None
    tasks.pass_time(0.1)
    async with asyncio.timeout(60):
        while (await tasks.get(task_id)).lease_until == first:  # noqa: ASYNC110  # MongoDB tells nobody
            await asyncio.sleep(0.02)
    worker.go.set()
    await running
    assert (await tasks.get(task_id)).attempts == 1


async def test_the_heart_stops_work_that_another_has_taken_over(tasks: Tasks) -> None:
    tasks.settings = TaskSettings(lease=0.2)
    task_id, dead = await tasks.submit(), Worker()
    zombie = await started(tasks, dead, task_id)
    await tasks.repository._update_owned(
        task_id, (await tasks.get(task_id)).lease_owner or "", {"$set": {"lease_owner": "another"}}
    )
    async with asyncio.timeout(60):
        await zombie
    task = await tasks.get(task_id)
    assert (task.state, task.lease_owner) == ("running", "another")


@pytest.mark.parametrize("error", [UnavailableError("busy"), ConnectionRefusedError(), asyncpg.InterfaceError("x")])
async def test_what_may_pass_is_tried_again_later_and_later_but_not_for_ever(tasks: Tasks, error: Exception) -> None:
    task_id = await tasks.submit()
    for attempt, delay in ((1, 2), (2, 4)):
        await tasks.runner.run(JOB, raising(error), task_id)
        task = await tasks.get(task_id)
        assert (task.state, task.attempts, task.error) == ("pending", attempt, None)
        tasks.pass_time(delay - 0.1)
        await tasks.runner.run(JOB, raising(AssertionError()), task_id)
        assert (await tasks.get(task_id)).attempts == attempt
        tasks.pass_time(0.2)
    await tasks.runner.run(JOB, raising(error), task_id)
    task = await tasks.get(task_id)
    assert (task.state, task.attempts) == ("failed", 3)
    assert task.error
    assert task.error["title"] == "UnavailableError"


@pytest.mark.parametrize(
    ("error", "problem"),
    [
        (ConflictError("moved"), {"type": "about:blank", "title": "ConflictError", "detail": "moved"}),
        (
            InvalidError.at("track", "no"),
            {
                "type": "about:blank",
                "title": "InvalidError",
                "detail": "track: no",
                "errors": [{"field": "track", "message": "no"}],
            },
        ),
        (
            RuntimeError("password=hunter2"),
            {"type": "about:blank", "title": "Unexpected error", "detail": "RuntimeError"},
        ),
    ],
)
async def test_what_will_not_pass_fails_at_once(tasks: Tasks, error: Exception, problem: dict[str, object]) -> None:
    task_id = await tasks.submit()
    await tasks.runner.run(JOB, raising(error), task_id)
    task = await tasks.get(task_id)
    assert (task.state, task.attempts, task.error) == ("failed", 1, problem)
    assert task.finished_at == tasks.at


async def test_an_attempt_that_takes_too_long_is_cut_short_and_fails_at_last(tasks: Tasks) -> None:
    hasty, task_id, worker = replace(JOB, time_limit=0.05), await tasks.submit(), Worker()
    for attempt in range(1, JOB.max_attempts + 1):
        await tasks.runner.run(hasty, worker, task_id)
        task = await tasks.get(task_id)
        assert (len(worker.runs), task.state) == (attempt, "pending" if attempt < JOB.max_attempts else "failed")
        tasks.pass_time(60)
    failed = await tasks.get(task_id)
    assert failed.error
    assert failed.error["detail"] == "the attempt took longer than 0.05 seconds"


async def test_a_worker_that_is_stopped_gives_its_task_back(tasks: Tasks) -> None:
    task_id, worker = await tasks.submit(), Worker()
    running = await started(tasks, worker, task_id)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    task = await tasks.get(task_id)
    assert (task.state, task.lease_owner, task.sent_at) == ("pending", None, None)
    await tasks.runner.run(JOB, returning(Outcome()), task_id)
    assert (await tasks.get(task_id)).state == "succeeded"


async def test_a_task_that_no_worker_survives_is_given_up(tasks: Tasks) -> None:
    task_id = await tasks.submit()
    for _ in range(JOB.max_attempts):
        assert await TaskRepository().claim(task_id, owner="dead", at=tasks.at, until=tasks.at + timedelta(seconds=1))
        tasks.pass_time(2)
    await tasks.runner.run(JOB, raising(AssertionError()), task_id)
    task = await tasks.get(task_id)
    assert task.state == "failed"
    assert task.error
    assert "3 attempts were cut short" in task.error["detail"]


async def test_a_task_may_be_given_back_as_often_as_workers_are_stopped(tasks: Tasks) -> None:
    task_id = await tasks.submit()
    for _ in range(2 * JOB.max_attempts):
        running = await started(tasks, Worker(), task_id)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
    await tasks.runner.run(JOB, returning(Outcome()), task_id)
    task = await tasks.get(task_id)
    assert (task.state, task.attempts) == ("succeeded", 2 * JOB.max_attempts + 1)


async def test_what_is_done_is_written_down_once_the_database_is_back(
    tasks: Tasks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("embedding_studio.tasks.runner._SLOWEST_BEAT", 0.01)
    task_id, worker = await tasks.submit(), Worker()
    worker.go.set()
    finish, failures = TaskRepository.finish, [ConnectionRefusedError(), TimeoutError()]

    async def failing(self: TaskRepository, task_id: str, **how: Any) -> bool:
        if failures:
            raise failures.pop()
        return await finish(self, task_id, **how)

    monkeypatch.setattr(TaskRepository, "finish", failing)
    await tasks.runner.run(JOB, worker, task_id)
    assert ((await tasks.get(task_id)).state, len(worker.runs), failures) == ("succeeded", 1, [])


async def test_the_task_of_a_deleted_collection_is_dropped(tasks: Tasks) -> None:
    task_id, worker = await tasks.submit(), Worker()
    running = await started(tasks, worker, task_id)
    await tasks.service.delete_of("tasks-test")
    worker.go.set()
    await running
    assert await tasks.repository.get(task_id) is None


def ended(ending: str) -> float:
    labels = {"kind": JOB.kind, "ending": ending}
    return REGISTRY.get_sample_value("embedding_studio_task_attempts_total", labels) or 0.0


@pytest.mark.parametrize(
    ("handler", "ending"),
    [
        (returning(Outcome("partial", failed_total=1)), "partial"),
        (raising(InvalidError("no")), "failed"),
        (raising(UnavailableError("not now")), "postponed"),
        (raising(LeaseLostError("another's")), "lost"),
    ],
)
async def test_attempts_are_counted_by_how_they_ended(tasks: Tasks, handler: Handler, ending: str) -> None:
    before = ended(ending)
    await tasks.runner.run(JOB, handler, await tasks.submit())
    assert ended(ending) == before + 1


async def test_what_a_handler_logs_belongs_to_the_task_and_its_request(tasks: Tasks) -> None:
    async def handler(_run: Run) -> Outcome:  # handlers are coroutines
        return Outcome(result={name: fact(name) for name in ("request_id", "task_id", "collection")})

    with logged(request_id="r1"):
        task_id = await tasks.submit()
        assert fact("task_id") == task_id
    await tasks.runner.run(JOB, handler, task_id)
    said = {"request_id": "r1", "task_id": task_id, "collection": "tasks-test"}
    assert (await tasks.get(task_id)).result == said
