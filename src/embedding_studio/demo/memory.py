"""The memory that the product and the demo take together."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from types import ModuleType

__all__ = ["PeakMemory", "peak_memory"]

_SAMPLE_EVERY_S = 1.0


class PeakMemory:
    """The most memory that this process and all its descendants took together, in bytes.

    The sum of the proportional set sizes, so that shared pages count once, or of the resident ones where the system
    has no such figure. It stays 0 where psutil is not installed.
    """

    def __init__(self) -> None:
        self.bytes = 0

    async def watch(self) -> None:
        """Look once a second until cancelled."""
        try:
            import psutil  # noqa: PLC0415 -- not everybody has it
        except ModuleNotFoundError:
            return
        while True:
            self.bytes = max(self.bytes, await asyncio.to_thread(_memory_now, psutil))
            await asyncio.sleep(_SAMPLE_EVERY_S)


@asynccontextmanager
async def peak_memory() -> AsyncIterator[PeakMemory]:
    """Watch the memory until the block ends."""
    peak = PeakMemory()
    watcher = asyncio.create_task(peak.watch())
    try:
        yield peak
    finally:
        watcher.cancel()
        with suppress(asyncio.CancelledError):
            await watcher


def _memory_now(psutil: ModuleType) -> int:
    own = psutil.Process(os.getpid())
    total = 0
    for process in (own, *own.children(recursive=True)):
        with suppress(psutil.Error):
            memory = process.memory_full_info()
            total += getattr(memory, "pss", 0) or memory.rss
    return total
