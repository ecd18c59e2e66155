"""What lines of the log say beside their message."""

import asyncio
import json
import logging
import sys
from collections.abc import Iterator

import pytest

from embedding_studio.infra.log import configure_logging, fact, logged, note

logger = logging.getLogger("embedding_studio.test")


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    root, ours = logging.getLogger(), logging.getLogger("embedding_studio")
    before = root.handlers[:], root.level, ours.level
    yield
    root.handlers[:] = before[0]
    root.setLevel(before[1])
    ours.setLevel(before[2])


def last_event(capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    return dict(json.loads(last_line(capsys)))


def last_line(capsys: pytest.CaptureFixture[str]) -> str:
    """Of ours: what others left behind may speak at any moment."""
    return [line for line in capsys.readouterr().err.splitlines() if logger.name in line][-1]


def test_every_line_says_what_it_happens_within(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(as_json=True)
    with logged(request_id="r1", task_id=None):
        with logged(task_id="t1"):
            logger.info("%d of %d", 1, 2, extra={"ms": 3})
        event = last_event(capsys)
        logger.info("outside")
        assert last_event(capsys).keys() & {"request_id", "task_id"} == {"request_id"}
    assert {name: event[name] for name in ("message", "request_id", "task_id", "ms", "level")} == {
        "message": "1 of 2",
        "request_id": "r1",
        "task_id": "t1",
        "ms": 3,
        "level": "info",
    }
    assert fact("request_id") is None


def test_what_is_noted_holds_until_the_end_and_takes_nothing_back(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging()
    with logged(task_id="t1"):
        note(task_id="t2", session_id="s1")
        logger.info("went well")
        assert last_line(capsys).endswith("embedding_studio.test: went well task_id=t1 session_id=s1")
    assert fact("session_id") is None
    note(session_id="s2")
    assert fact("session_id") is None


def test_tasks_and_threads_belong_to_what_started_them() -> None:
    async def told() -> tuple[str | None, str | None]:
        with logged(request_id="r1"):
            beside = asyncio.create_task(asyncio.to_thread(fact, "request_id"))
        return await beside, fact("request_id")

    assert asyncio.run(told()) == ("r1", None)


def test_a_line_stays_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging()
    with logged(session_id="s1\nERROR forged"):
        logger.info("said")
    assert last_line(capsys).endswith(r"said session_id='s1\nERROR forged'")


def test_an_exception_is_told_in_both_forms(capsys: pytest.CaptureFixture[str]) -> None:
    def broken() -> None:
        raise ValueError("no such thing")

    for as_json in (False, True):
        configure_logging(as_json=as_json)
        try:
            broken()
        except ValueError:
            logger.exception("it went wrong", extra={"thing": sys.byteorder})
        assert "no such thing" in capsys.readouterr().err
