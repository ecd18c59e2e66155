"""Requests that meet a busy encoder go together into its next run."""

import asyncio
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.typing import NDArray

from embedding_studio.inference.batcher import Batcher
from embedding_studio.kernel.encoder import TextKind
from embedding_studio.kernel.errors import UnavailableError

pytestmark = pytest.mark.anyio


class Encoder:
    """Encodes a text as its number; waits where it is told to, and keeps what it was given."""

    def __init__(self) -> None:
        self.runs: list[list[str]] = []
        self.kinds: list[TextKind] = []
        self.go = threading.Event()
        self.go.set()
        self.started = threading.Event()

    def __call__(self, texts: Sequence[str], kind: TextKind) -> NDArray[np.float32]:
        self.runs.append(list(texts))
        self.kinds.append(kind)
        self.started.set()
        assert self.go.wait(5)
        if "bad" in texts:
            raise ValueError("a bad text")
        return np.asarray([[float(text)] for text in texts], np.float32)


@pytest.fixture
def encoder() -> Encoder:
    return Encoder()


@pytest.fixture
def batcher(encoder: Encoder) -> Iterator[Batcher[str, TextKind]]:
    with ThreadPoolExecutor(1) as executor:
        yield Batcher(encoder, executor=executor, waiting_texts=64)
        encoder.go.set()


async def busy(encoder: Encoder, batcher: Batcher[str, TextKind]) -> "asyncio.Task[NDArray[np.float32]]":
    """A request that the encoder works on until `encoder.go` is set."""
    encoder.go.clear()
    first = asyncio.create_task(batcher.run(["0"], "query"))
    await asyncio.to_thread(encoder.started.wait, 5)
    return first


async def waiting(
    batcher: Batcher[str, TextKind], *requests: Sequence[str]
) -> list["asyncio.Task[NDArray[np.float32]]"]:
    tasks = [asyncio.create_task(batcher.run(texts, "query")) for texts in requests]
    await asyncio.sleep(0)
    return tasks


async def test_an_idle_encoder_starts_at_once(encoder: Encoder, batcher: Batcher[str, TextKind]) -> None:
    assert (await batcher.run(["3", "1"], "item")).tolist() == [[3.0], [1.0]]
    assert (encoder.runs, encoder.kinds) == ([["3", "1"]], ["item"])


async def test_what_waits_goes_together_and_everyone_gets_their_own(
    encoder: Encoder, batcher: Batcher[str, TextKind]
) -> None:
    first = await busy(encoder, batcher)
    tasks = await waiting(batcher, ["1"], ["2", "3"], ["4"])
    encoder.go.set()
    assert [vectors.ravel().tolist() for vectors in await asyncio.gather(first, *tasks)] == [[0], [1], [2, 3], [4]]
    assert encoder.runs == [["0"], ["1", "2", "3", "4"]]


async def test_a_run_has_a_largest_size_and_keeps_the_order(encoder: Encoder, batcher: Batcher[str, TextKind]) -> None:
    first = await busy(encoder, batcher)
    tasks = await waiting(batcher, *([str(n)] * 20 for n in range(1, 4)))
    encoder.go.set()
    await asyncio.gather(first, *tasks)
    assert [len(run) for run in encoder.runs] == [1, 20, 20, 20]
    assert [run[0] for run in encoder.runs] == ["0", "1", "2", "3"]


async def test_queries_and_items_are_not_mixed(encoder: Encoder, batcher: Batcher[str, TextKind]) -> None:
    first = await busy(encoder, batcher)
    kinds: list[TextKind] = ["query", "item", "item", "query"]
    tasks = [asyncio.create_task(batcher.run([str(n)], kind)) for n, kind in enumerate(kinds, 1)]
    await asyncio.sleep(0)
    encoder.go.set()
    await asyncio.gather(first, *tasks)
    assert encoder.runs == [["0"], ["1"], ["2", "3"], ["4"]]


async def test_too_many_texts_are_refused_and_those_that_wait_are_served(
    encoder: Encoder, batcher: Batcher[str, TextKind]
) -> None:
    first = await busy(encoder, batcher)
    tasks = await waiting(batcher, ["1"] * 32, ["2"] * 32)
    with pytest.raises(UnavailableError, match="too many"):
        await batcher.run(["3"], "query")
    encoder.go.set()
    await asyncio.gather(first, *tasks)
    assert (await batcher.run(["3"] * 64, "query")).shape == (64, 1)


async def test_an_error_reaches_all_of_its_run_and_nobody_else(
    encoder: Encoder, batcher: Batcher[str, TextKind]
) -> None:
    first = await busy(encoder, batcher)
    tasks = await waiting(batcher, ["1"], ["bad"], ["2"])
    encoder.go.set()
    assert (await first).tolist() == [[0.0]]
    for task in tasks:
        with pytest.raises(ValueError, match="a bad text"):
            await task
    assert (await batcher.run(["5"], "query")).tolist() == [[5.0]]


async def test_who_gives_up_harms_nobody_and_is_not_encoded(encoder: Encoder, batcher: Batcher[str, TextKind]) -> None:
    first = await busy(encoder, batcher)
    one, gone, other = await waiting(batcher, ["1"], ["2"] * 30, ["3"])
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    encoder.go.set()
    assert [vectors.tolist() for vectors in await asyncio.gather(first, one, other)] == [[[0.0]], [[1.0]], [[3.0]]]
    assert encoder.runs == [["0"], ["1", "3"]]


async def test_who_gives_up_during_a_run_harms_nobody(encoder: Encoder, batcher: Batcher[str, TextKind]) -> None:
    first = await busy(encoder, batcher)
    (other,) = await waiting(batcher, ["1"])
    first.cancel()
    encoder.go.set()
    assert (await other).tolist() == [[1.0]]


async def test_those_who_gave_up_make_room_once_the_encoder_has_passed_them(
    encoder: Encoder, batcher: Batcher[str, TextKind]
) -> None:
    first = await busy(encoder, batcher)
    tasks = await waiting(batcher, ["1"] * 60)
    tasks[0].cancel()
    encoder.go.set()
    await first
    assert (await batcher.run(["2"] * 60, "query")).shape == (60, 1)
    assert [len(run) for run in encoder.runs] == [1, 60]
