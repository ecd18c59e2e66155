"""Models are read once, by whoever comes first, and stay."""

import asyncio
import threading
from pathlib import Path

import pytest

from embedding_studio.inference.errors import BrokenModelError, EncoderNotReadyError
from embedding_studio.inference.loading import Shelf, is_exported
from embedding_studio.kernel.errors import InvalidError
from embedding_studio.sdk import EncoderSource

pytestmark = pytest.mark.anyio

SOURCE = EncoderSource("model", "", "")


class Reading:
    """Reads a model as the name of its folder; waits where it is told to, and fails where it is told to."""

    def __init__(self) -> None:
        self.times = 0
        self.broken = False
        self.go = threading.Event()
        self.go.set()
        self.started = threading.Event()

    def __call__(self, folder: Path) -> str:
        self.times += 1
        self.started.set()
        assert self.go.wait(60)
        if self.broken:
            raise InvalidError("not what was exported")
        return folder.name


@pytest.fixture
def reading() -> Reading:
    return Reading()


@pytest.fixture
def shelf(tmp_path: Path, reading: Reading) -> Shelf[str]:
    (tmp_path / SOURCE.key).mkdir()
    (tmp_path / SOURCE.key / "encoder.json").touch()
    return Shelf(tmp_path, reading)


async def test_a_model_is_read_once_however_many_ask(shelf: Shelf[str], reading: Reading) -> None:
    assert await asyncio.gather(*(shelf.get(SOURCE) for _ in range(5))) == [SOURCE.key] * 5
    assert await shelf.get(SOURCE) == SOURCE.key
    assert reading.times == 1


async def test_one_that_was_not_exported_is_looked_for_again(tmp_path: Path, shelf: Shelf[str]) -> None:
    late = EncoderSource("late", "", "")
    with pytest.raises(EncoderNotReadyError, match="late"):
        await shelf.get(late)
    assert not is_exported(tmp_path, late)
    (tmp_path / late.key).mkdir()
    (tmp_path / late.key / "encoder.json").touch()
    assert is_exported(tmp_path, late)
    assert await shelf.get(late) == late.key


async def test_who_stops_waiting_stops_no_reading(shelf: Shelf[str], reading: Reading) -> None:
    reading.go.clear()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await shelf.get(SOURCE)
    await asyncio.to_thread(reading.started.wait, 60)
    reading.go.set()
    assert await shelf.get(SOURCE) == SOURCE.key
    assert reading.times == 1


async def test_a_broken_one_is_not_read_for_every_request(shelf: Shelf[str], reading: Reading) -> None:
    reading.broken = True
    for _ in range(3):
        with pytest.raises(BrokenModelError, match="not what was exported"):
            await shelf.get(SOURCE)
    assert reading.times == 1


async def test_a_broken_one_gets_another_chance(shelf: Shelf[str], reading: Reading) -> None:
    reading.broken = True
    with pytest.raises(BrokenModelError):
        await shelf.get(SOURCE)
    until, error = shelf._broken[SOURCE]
    shelf._broken[SOURCE] = (until - error.retry_after, error)
    reading.broken = False
    assert await shelf.get(SOURCE) == SOURCE.key


async def test_a_broken_one_that_nobody_waits_for_any_more_disturbs_nobody(shelf: Shelf[str], reading: Reading) -> None:
    reading.broken = True
    reading.go.clear()
    waiting = asyncio.create_task(shelf.get(SOURCE))
    await asyncio.to_thread(reading.started.wait, 60)
    waiting.cancel()
    reading.go.set()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    with pytest.raises(BrokenModelError):
        await shelf.get(SOURCE)
