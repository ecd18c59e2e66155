"""What is kept of comparisons is bounded, whoever writes it."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from embedding_studio.kernel.ids import new_id
from embedding_studio.kernel.time import now
from embedding_studio.shadow import (
    Answer,
    Compared,
    Counts,
    Shadow,
    ShadowExistsError,
    ShadowRepository,
    ShadowSettings,
)
from studio import Studio

pytestmark = pytest.mark.anyio

KEPT = 100
LIVE = ["a", "b", "c"]


@pytest.fixture
async def shadows(studio: Studio) -> ShadowRepository:  # noqa: ARG001  # its connection
    return ShadowRepository(ShadowSettings(kept=KEPT))


@pytest.fixture
async def shadow(shadows: ShadowRepository) -> AsyncIterator[Shadow]:
    name = new_id()
    made = Shadow(
        id=name, collection=name, collection_id=-abs(hash(name)) % 2**31, model_version=2, share=1.0, started_at=now()
    )
    await shadows.add(made)
    yield made
    await shadows.remove(made)


def compared(query: str, *candidate: str, live_model: int = 1, took_ms: float = 1.0) -> Compared:
    return Compared(now(), query, live_model, Answer(LIVE, took_ms), Answer(candidate, took_ms))


async def test_the_newest_are_kept(shadows: ShadowRepository, shadow: Shadow) -> None:
    for number in range(KEPT + 50):
        await shadows.keep(shadow.id, number, compared("q", "a", took_ms=number))
    rows = await shadows.numbers(shadow.id, 1)
    assert sorted(row["live_ms"] for row in rows) == [float(number) for number in range(50, KEPT + 50)]


async def test_counts_add_up_and_give_every_comparison_a_number(shadows: ShadowRepository, shadow: Shadow) -> None:
    numbers = await asyncio.gather(*(shadows.count(shadow.id, Counts(compared=1, dropped=2)) for _ in range(20)))
    assert sorted(number for number in numbers if number is not None) == list(range(20))
    await shadows.count(shadow.id, Counts(failed=1, late=1), "it broke")
    seen = await shadows.of(shadow.collection_id)
    assert seen is not None
    assert (seen.compared, seen.dropped, seen.failed, seen.late, seen.last_failure) == (20, 40, 1, 1, "it broke")


async def test_examples_are_the_least_alike_of_each_query(shadows: ShadowRepository, shadow: Shadow) -> None:
    rows = [("far", "x"), ("near", "a", "b"), ("far", "a", "b", "x"), ("same", *LIVE), ("near", "b", "a")]
    for number, (query, *candidate) in enumerate(rows):
        await shadows.keep(shadow.id, number, compared(query, *candidate))
    await shadows.keep(shadow.id, len(rows), compared("other model", "y", live_model=7))
    found = await shadows.differing(shadow.id, 1, limit=2)
    assert [(one.query, list(one.candidate)) for one in found] == [("far", ["x"]), ("near", ["b", "a"])]


async def test_nothing_is_counted_of_a_shadow_that_is_gone(shadows: ShadowRepository, shadow: Shadow) -> None:
    await shadows.remove(shadow)
    assert await shadows.count(shadow.id, Counts(compared=1)) is None


async def test_a_collection_has_one(shadows: ShadowRepository, shadow: Shadow) -> None:
    with pytest.raises(ShadowExistsError):
        await shadows.add(shadow.model_copy(update={"id": new_id()}))
