import asyncio
import os

import psutil

from embedding_studio.demo.memory import peak_memory


def test_the_peak_covers_this_process() -> None:
    async def peak() -> int:
        async with peak_memory() as memory, asyncio.timeout(20):
            while not memory.bytes:  # noqa: ASYNC110 -- another task sets it
                await asyncio.sleep(0.01)
        return memory.bytes

    held = psutil.Process(os.getpid()).memory_full_info().uss
    assert asyncio.run(peak()) > held / 2
