"""What got lost is sent again."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pymongo.errors
import pytest

from embedding_studio.infra.jobs import JobQueue
from embedding_studio.kernel.time import now
from embedding_studio.tasks import Chore, Outcome, Run, Sweeper, TaskSettings

from .conftest import JOB, Tasks

pytestmark = pytest.mark.anyio


async def fine(_run: Run) -> Outcome:
    return Outcome()


@asynccontextmanager
async def sweeping(sweeper: Sweeper, *chores: Chore) -> AsyncIterator[None]:
    running = asyncio.create_task(sweeper.run(*chores))
    try:
        yield
    finally:
        while not running.done():  # Python 3.11's wait_for, which pymongo uses, may lose a cancellation
            running.cancel()
            await asyncio.wait([running], timeout=0.1)


async def test_a_task_whose_message_was_lost_is_sent_again(tasks: Tasks) -> None:
    task_id = await tasks.submit()
    assert await tasks.sweeper.sweep() == 0
    tasks.pass_time(11)
    assert await tasks.sweeper.sweep() == 1
    assert (await tasks.get(task_id)).sent_at == tasks.at
    assert await tasks.sweeper.sweep() == 0


async def test_a_task_whose_message_still_waits_is_not_sent_again(
    tasks: Tasks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Tasks, "clock", lambda _: now())  # messages have the time of day
    tasks.settings = TaskSettings(resend_after=0.001)
    ids = [await tasks.submit() for _ in range(3)]
    for _ in range(5):
        assert await tasks.sweeper.sweep() == 0
    assert (await tasks.queue.waiting(["test"]))["test"].count == 3
    lost = await tasks.get(ids[0])
    await lost.set({"sent_at": lost.created_at - timedelta(hours=1)})
    assert await tasks.sweeper.sweep() == 1
    tasks.queue._broker.flush("test")
    sent_at = (await tasks.get(ids[0])).sent_at
    assert sent_at is not None
    while tasks.clock() - sent_at < timedelta(milliseconds=1):  # noqa: ASYNC110  # time itself makes it so
        await asyncio.sleep(0)
    assert await tasks.sweeper.sweep() == 3


async def test_a_paused_task_of_a_dead_worker_is_not_sent_until_it_may_go_on(tasks: Tasks) -> None:
    task_id = await tasks.submit()
    await tasks.repository.claim(task_id, owner="dead", at=tasks.at, until=tasks.at)
    await tasks.repository.pause(task_id, paused=True)
    tasks.pass_time(11)
    assert await tasks.sweeper.sweep() == 0
    await tasks.repository.pause(task_id, paused=False)
    assert await tasks.sweeper.sweep() == 1


async def test_a_task_that_was_never_sent_is_sent_at_once(tasks: Tasks) -> None:
    task_id = await tasks.submit()
    await (await tasks.get(task_id)).set({"sent_at": None})
    assert await tasks.sweeper.sweep() == 1


async def test_a_task_that_waits_for_its_next_attempt_is_sent_when_it_is_due(tasks: Tasks) -> None:
    task_id = await tasks.submit()

    async def busy(_run: Run) -> Outcome:  # handlers are coroutines
        raise ConnectionError

    await tasks.runner.run(JOB, busy, task_id)
    assert await tasks.sweeper.sweep() == 0
    tasks.pass_time(2)
    assert await tasks.sweeper.sweep() == 1


async def test_what_a_dead_worker_left_is_sent_again_but_not_at_every_sweep(tasks: Tasks) -> None:
    task_id = await tasks.submit()
    await tasks.repository.claim(task_id, owner="dead", at=tasks.at, until=tasks.at)
    tasks.pass_time(11)
    assert await tasks.sweeper.sweep() == 1
    assert await tasks.sweeper.sweep() == 0
    await tasks.runner.run(JOB, fine, task_id)
    assert (await tasks.get(task_id)).state == "succeeded"


async def test_what_is_worked_on_or_finished_is_left_alone(tasks: Tasks) -> None:
    working, finished = await tasks.submit(), await tasks.submit()
    await tasks.runner.run(JOB, fine, finished)
    owner = await tasks.repository.claim(
        working, owner="alive", at=tasks.at, until=tasks.at.replace(year=tasks.at.year + 1)
    )
    assert owner
    tasks.pass_time(10_000)
    assert await tasks.sweeper.sweep() == 0


@pytest.mark.parametrize("error", [pymongo.errors.AutoReconnect("gone"), RuntimeError("nobody foresaw this")])
async def test_whatever_goes_wrong_it_goes_on(tasks: Tasks, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    tasks.settings = TaskSettings(sweep_every=0.01)
    sweeper, send = tasks.sweeper, JobQueue.send
    sent, chore_done = asyncio.Event(), asyncio.Event()

    async def chore() -> None:
        chore_done.set()

    async def failing_once(*_: object, **__: object) -> None:  # in place of a coroutine
        monkeypatch.setattr(JobQueue, "send", note)
        raise error

    async def note(itself: JobQueue, **message: str) -> None:
        await send(itself, **message)
        sent.set()

    task_id = await tasks.submit()
    await (await tasks.get(task_id)).set({"sent_at": None})
    monkeypatch.setattr(JobQueue, "send", failing_once)
    async with sweeping(sweeper, chore), asyncio.timeout(60):
        await sent.wait()
        await chore_done.wait()


async def test_a_chore_that_hangs_holds_up_no_other_and_is_given_up(
    tasks: Tasks, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks.settings = TaskSettings(sweep_every=0.01)
    monkeypatch.setattr("embedding_studio.tasks.sweeper._TURN_WITHIN", 0.5)
    begun, twice, other_done = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def hanging() -> None:
        (twice if begun.is_set() else begun).set()
        await asyncio.Event().wait()

    async def other() -> None:
        if begun.is_set() and not twice.is_set():
            other_done.set()

    async with sweeping(tasks.sweeper, hanging, other), asyncio.timeout(300):
        await other_done.wait()
        await twice.wait()


async def test_tasks_that_were_kept_long_enough_go(tasks: Tasks) -> None:
    ended, waiting = await tasks.submit(), await tasks.submit()
    await tasks.service.cancel(ended)
    tasks.pass_time(89 * 86_400)
    await tasks.sweeper.expire()
    assert set(await tasks.service.states([ended, waiting])) == {ended, waiting}
    tasks.pass_time(2 * 86_400)
    while await tasks.sweeper.expire():
        pass
    assert set(await tasks.service.states([ended, waiting])) == {waiting}


async def test_tasks_are_kept_for_ever_if_that_is_wished(tasks: Tasks) -> None:
    tasks.settings = TaskSettings(kept=0)
    ended = await tasks.submit()
    await tasks.service.cancel(ended)
    tasks.pass_time(10_000 * 86_400)
    assert await tasks.sweeper.expire() == 0
    assert await tasks.service.states([ended])
