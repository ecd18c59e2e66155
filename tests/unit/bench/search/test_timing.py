import asyncio
from itertools import pairwise
from types import SimpleNamespace

import pytest

from embedding_studio.bench.search.timing import Call, Times, by_turns, throughputs


class Clock:
    """Time passes only in calls."""

    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> float:
        return self.at

    async def pass_time(self, seconds: float) -> None:
        self.at += seconds
        await asyncio.sleep(0)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr("embedding_studio.bench.search.timing.time", SimpleNamespace(perf_counter=made))
    return made


def noting(name: str, notes: list[str], clock: Clock, *, seconds: float = 0.0) -> Call:
    async def call(number: int) -> None:
        notes.append(f"{name}{number}")
        await clock.pass_time(seconds)

    return call


def test_percentiles_are_in_milliseconds() -> None:
    times = Times.of([0.001] * 99 + [0.1])
    assert times.p50 == pytest.approx(1.0)
    assert 1.0 < times.p99 <= 100.0


def test_calls_take_turns_of_forty_and_ask_something_else_than_the_one_before(clock: Clock) -> None:
    notes: list[str] = []
    times = asyncio.run(by_turns([noting("a", notes, clock), noting("b", notes, clock)], 400))
    assert "".join(note[0] for note in notes) == ("a" * 40 + "b" * 40) * 10
    asked = [{note[1:] for note in notes[first : first + 40]} for first in range(0, 800, 40)]
    assert all(not one & other for one, other in pairwise(asked))
    assert [set().union(*asked[turn::2]) for turn in (0, 1)] == [{str(number) for number in range(400)}] * 2
    assert len(times) == 2


def test_the_first_calls_of_a_turn_are_left_out(clock: Clock) -> None:
    async def slow_at_first(number: int) -> None:
        await clock.pass_time(1.0 if number % 40 == 0 else 0.25)

    (times,) = asyncio.run(by_turns([slow_at_first], 80, warm_up=1))
    assert (times.p50, times.p99) == (250, 250)


def test_crews_take_turns_and_end_in_time(clock: Clock) -> None:
    notes: list[str] = []
    crews = [[noting("a", notes, clock, seconds=0.25)] * 2, [noting("b", notes, clock, seconds=1.0)]]
    rates = asyncio.run(throughputs(crews, seconds=9))
    assert rates == [4, 1]
    assert clock.at == 18
    turns = [note[0] for index, note in enumerate(notes) if index == 0 or notes[index - 1][0] != note[0]]
    assert turns == ["a", "b"] * 3
