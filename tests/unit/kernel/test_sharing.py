"""Work is done once for all who ask meanwhile, whoever leaves."""

import asyncio

import pytest

from embedding_studio.kernel.sharing import SharedWork

pytestmark = pytest.mark.anyio


class Work:
    """Counts how often it was begun, and waits to be let go."""

    def __init__(self, error: Exception | None = None) -> None:
        self.begun = 0
        self.go = asyncio.Event()
        self._error = error

    async def __call__(self) -> int:
        self.begun += 1
        number = self.begun
        await self.go.wait()
        if self._error:
            raise self._error
        return number


async def test_who_asks_meanwhile_gets_the_same_and_who_asks_later_something_new() -> None:
    shared, work = SharedWork[str, int](), Work()
    asking = [asyncio.create_task(shared.get("a", work)) for _ in range(3)]
    other = asyncio.create_task(shared.get("b", work))
    await asyncio.sleep(0)
    work.go.set()
    assert await asyncio.gather(*asking, other) == [1, 1, 1, 2]
    assert await shared.get("a", work) == 3


async def test_who_leaves_takes_nothing_from_the_others() -> None:
    shared, work = SharedWork[str, int](), Work()
    first, second = (asyncio.create_task(shared.get("a", work)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait([first])
    work.go.set()
    assert await second == 1


async def test_a_failure_is_shared_too_and_not_kept() -> None:
    shared, work = SharedWork[str, int](), Work(ConnectionRefusedError())
    work.go.set()
    for begun in (1, 2):
        outcomes = await asyncio.gather(*(shared.get("a", work) for _ in range(3)), return_exceptions=True)
        assert [type(one) for one in outcomes] == [ConnectionRefusedError] * 3
        assert work.begun == begun
