"""Trying again."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from embedding_studio.infra.loaders.retries import Retries, outage, seconds_to_wait
from embedding_studio.kernel.errors import NotFoundError, UnavailableError

QUICK = Retries(attempts=3, first=0.001, most=0.001, deadline=5)


def test_an_outage_is_tried_again_until_it_ends() -> None:
    outcomes: list[Exception | None] = [outage("first"), outage("second"), None]

    def work() -> str:
        if error := outcomes.pop(0):
            raise error
        return "done"

    assert QUICK.call(work) == "done"


@pytest.mark.parametrize(("error", "calls"), [(outage("x"), 3), (UnavailableError("x"), 1), (NotFoundError("x"), 1)])
def test_attempts_are_bounded_and_nothing_else_is_repeated(error: Exception, calls: int) -> None:
    called = []

    def work() -> None:
        called.append(1)
        raise error

    with pytest.raises(type(error)):
        QUICK.call(work)
    assert len(called) == calls


def test_a_wait_beyond_the_deadline_is_not_begun() -> None:
    called = []

    def work() -> None:
        called.append(1)
        raise outage("x", "60")

    with pytest.raises(UnavailableError) as error:
        QUICK.call(work)
    assert (len(called), error.value.retry_after) == (1, 60)


@pytest.mark.parametrize(("header", "seconds"), [(None, 0), ("", 0), ("7", 7), ("soon", 0), ("-1", 0), ("٣", 0)])
def test_retry_after_in_seconds(header: str | None, seconds: int) -> None:
    assert seconds_to_wait(header) == seconds


def test_retry_after_as_a_date() -> None:
    before = datetime.now(UTC)
    moment = before.replace(microsecond=0) + timedelta(seconds=3_600)
    waited = seconds_to_wait(format_datetime(moment, usegmt=True))
    latest, earliest = (round((moment - at).total_seconds()) for at in (before, datetime.now(UTC)))
    assert 0 < earliest <= waited <= latest
    assert seconds_to_wait("Sun, 06 Nov 1994 08:49:37 GMT") == 0
