"""Requests that meet a busy encoder go together into its next run."""

import asyncio
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from embedding_studio.inference.batcher import Batcher
from embedding_studio.kernel.errors import UnavailableError

pytestmark = pytest.mark.anyio


class Encoder:
    """Encodes a text as its number; waits where it is told to, and keeps what it was given."""

    def __init__(self) -> None:
        self.runs: list[list[str]] = []
        self.go = asyncio.Event()
        self.go.set()
        self.started = asyncio.Event()

    async def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.runs.append(list(texts))
        self.started.set()
        await self.go.wait()
        if "bad" in texts:
            raise ValueError("a bad text")
        return np.asarray([[float(text)] for text in texts], np.float32)


@pytest.fixture
def encoder() -> Encoder:
    return Encoder()


@pytest.fixture
def batcher(encoder: Encoder) -> Batcher[str]:
    return Batcher(encoder, length=lambda _: 1, budget=32, waiting_texts=64)


async def busy(encoder: Encoder, batcher: Batcher[str]) -> "asyncio.Task[NDArray[np.float32]]":
    """A request that the encoder works on until `encoder.go` is set."""
    encoder.go.clear()
    first = asyncio.create_task(batcher.run(["0"]))
    await encoder.started.wait()
    return first


async def waiting(batcher: Batcher[str], *requests: Sequence[str]) -> list["asyncio.Task[NDArray[np.float32]]"]:
    tasks = [asyncio.create_task(batcher.run(texts)) for texts in requests]
    await asyncio.sleep(0)
    return tasks


async def test_an_idle_encoder_starts_at_once(encoder: Encoder, batcher: Batcher[str]) -> None:
    assert (await batcher.run(["3", "1"])).tolist() == [[3.0], [1.0]]
    assert encoder.runs == [["3", "1"]]


async def test_one_after_the_other_is_served(batcher: Batcher[str]) -> None:
    assert [(await batcher.run([str(number)])).tolist() for number in range(3)] == [[[0.0]], [[1.0]], [[2.0]]]


async def test_one_that_may_wait_lets_others_come(encoder: Encoder) -> None:
    patient = Batcher(encoder, length=lambda _: 1, budget=3, waiting_texts=64, delay=60.0)
    tasks = await waiting(patient, ["1"])
    await asyncio.sleep(0)
    assert encoder.runs == []
    tasks += await waiting(patient, ["2"], ["3"])  # a full batch waits no longer
    assert [vectors.tolist() for vectors in await asyncio.gather(*tasks)] == [[[1.0]], [[2.0]], [[3.0]]]
    assert encoder.runs == [["1", "2", "3"]]


async def test_one_that_may_wait_waits_no_longer_than_its_delay(encoder: Encoder) -> None:
    patient = Batcher(encoder, length=lambda _: 1, budget=3, waiting_texts=64, delay=0.001)
    assert (await patient.run(["1"])).tolist() == [[1.0]]


async def test_several_batches_may_be_under_way(encoder: Encoder) -> None:
    several = Batcher(encoder, length=lambda _: 1, budget=32, waiting_texts=64, at_once=2)
    first = await busy(encoder, several)
    tasks = await waiting(several, ["1"], ["2"], ["3"])
    await asyncio.sleep(0)
    assert encoder.runs == [["0"], ["1", "2", "3"]]
    encoder.go.set()
    await asyncio.gather(first, *tasks)


async def test_padding_counts(encoder: Encoder) -> None:
    batcher = Batcher(encoder, length=len, budget=8, waiting_texts=64)
    first = await busy(encoder, batcher)
    tasks = await waiting(batcher, ["1"], ["22"], ["4444"], ["3"])
    encoder.go.set()
    await asyncio.gather(first, *tasks)
    assert encoder.runs == [["0"], ["1", "22"], ["4444", "3"]]


@given(st.lists(st.lists(st.integers(0, 10**6), min_size=1, max_size=9), max_size=12), st.integers(1, 3))
def test_everyone_gets_their_own_whatever_the_batches(requests: list[list[int]], at_once: int) -> None:
    async def all_at_once() -> list[NDArray[np.float32]]:
        batcher = Batcher(Encoder(), length=len, budget=20, waiting_texts=200, at_once=at_once)
        return await asyncio.gather(*(batcher.run([str(number) for number in own]) for own in requests))

    found = asyncio.run(all_at_once())
    assert [vectors.ravel().tolist() for vectors in found] == requests


async def test_what_waits_goes_together_and_everyone_gets_their_own(encoder: Encoder, batcher: Batcher[str]) -> None:
    first = await busy(encoder, batcher)
    tasks = await waiting(batcher, ["1"], ["2", "3"], ["4"])
    encoder.go.set()
    assert [vectors.ravel().tolist() for vectors in await asyncio.gather(first, *tasks)] == [[0], [1], [2, 3], [4]]
    assert encoder.runs == [["0"], ["1", "2", "3", "4"]]


async def test_a_run_has_a_largest_size_and_keeps_the_order(encoder: Encoder, batcher: Batcher[str]) -> None:
    first = await busy(encoder, batcher)
    tasks = await waiting(batcher, *([str(n)] * 20 for n in range(1, 4)))
    encoder.go.set()
    await asyncio.gather(first, *tasks)
    assert [len(run) for run in encoder.runs] == [1, 20, 20, 20]
    assert [run[0] for run in encoder.runs] == ["0", "1", "2", "3"]


async def test_too_many_texts_are_refused_and_those_that_wait_are_served(
    encoder: Encoder, batcher: Batcher[str]
) -> None:
    first = await busy(encoder, batcher)
    tasks = await waiting(batcher, ["1"] * 32, ["2"] * 32)
    with pytest.raises(UnavailableError, match="too many"):
        await batcher.run(["3"])
    encoder.go.set()
    await asyncio.gather(first, *tasks)
    assert (await batcher.run(["3"] * 64)).shape == (64, 1)


async def test_an_error_reaches_all_of_its_run_and_nobody_else(encoder: Encoder, batcher: Batcher[str]) -> None:
    first = await busy(encoder, batcher)
    tasks = await waiting(batcher, ["1"], ["bad"], ["2"])
    encoder.go.set()
    assert (await first).tolist() == [[0.0]]
    for task in tasks:
        with pytest.raises(ValueError, match="a bad text"):
            await task
    assert (await batcher.run(["5"])).tolist() == [[5.0]]


async def test_who_gives_up_harms_nobody_and_is_not_encoded(encoder: Encoder, batcher: Batcher[str]) -> None:
    first = await busy(encoder, batcher)
    one, gone, other = await waiting(batcher, ["1"], ["2"] * 30, ["3"])
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    encoder.go.set()
    assert [vectors.tolist() for vectors in await asyncio.gather(first, one, other)] == [[[0.0]], [[1.0]], [[3.0]]]
    assert encoder.runs == [["0"], ["1", "3"]]


async def test_who_gives_up_during_a_run_harms_nobody(encoder: Encoder, batcher: Batcher[str]) -> None:
    first = await busy(encoder, batcher)
    (other,) = await waiting(batcher, ["1"])
    first.cancel()
    encoder.go.set()
    assert (await other).tolist() == [[1.0]]


async def test_those_who_gave_up_make_room_once_the_encoder_has_passed_them(
    encoder: Encoder, batcher: Batcher[str]
) -> None:
    first = await busy(encoder, batcher)
    tasks = await waiting(batcher, ["1"] * 60)
    tasks[0].cancel()
    encoder.go.set()
    await first
    assert (await batcher.run(["2"] * 60)).shape == (60, 1)
    assert [len(run) for run in encoder.runs] == [1, 60]
