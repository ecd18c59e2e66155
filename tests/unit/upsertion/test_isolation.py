"""One bad member of a batch is found, and costs the others nothing."""

from collections.abc import Sequence

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedding_studio.kernel.errors import UnavailableError
from embedding_studio.upsertion.isolation import isolate

pytestmark = pytest.mark.anyio


@given(st.lists(st.booleans(), min_size=1, max_size=40))
async def test_exactly_the_bad_members_fail(good: list[bool]) -> None:
    async def attempt(batch: Sequence[int]) -> Sequence[int]:
        if not all(good[place] for place in batch):
            raise ValueError(f"bad among {len(batch)}")
        return batch

    done, failed = await isolate(range(len(good)), attempt)
    assert done == [place for place, is_good in enumerate(good) if is_good]
    assert [place for place, _ in failed] == [place for place, is_good in enumerate(good) if not is_good]
    assert all(str(error) == "bad among 1" for _, error in failed)


async def test_one_bad_member_of_many_costs_few_attempts() -> None:
    attempts = 0

    async def attempt(batch: Sequence[int]) -> Sequence[int]:
        nonlocal attempts
        attempts += 1
        if 77 in batch:
            raise ValueError
        return batch

    done, failed = await isolate(range(256), attempt)
    assert (len(done), [place for place, _ in failed]) == (255, [77])
    assert attempts == 1 + 2 * 8


@pytest.mark.parametrize("outage", [ConnectionResetError(), asyncpg.CannotConnectNowError(), UnavailableError("busy")])
async def test_an_outage_is_nobodys_fault(outage: Exception) -> None:
    attempts = 0

    async def attempt(_batch: Sequence[int]) -> Sequence[int]:
        nonlocal attempts
        attempts += 1
        raise outage

    with pytest.raises(type(outage)):
        await isolate(range(8), attempt)
    assert attempts == 1
