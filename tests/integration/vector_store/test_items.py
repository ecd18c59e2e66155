"""Of two writes the one that was accepted later wins, in whatever order they arrive."""

import asyncio
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from embedding_studio.kernel.ids import new_id
from embedding_studio.vector_store import (
    Collection,
    CollectionNotFoundError,
    Item,
    ItemNotFoundError,
    Part,
    delete_items,
)
from studio import Studio

pytestmark = pytest.mark.anyio


def item(item_id: str, seq: int, content: str = "", *, parts: bool = True) -> Item:
    """An item whose vector says what its content is."""
    vector = np.asarray([1.0, sum(content.encode())], np.float32)
    return Item(item_id, {"seq": seq}, None, seq, content, {1: (Part(content, vector),)} if parts else {})


async def write(studio: Studio, points: Collection, items: Sequence[Item]) -> set[str]:
    async with studio.container.pool.acquire() as connection, connection.transaction():
        live = await studio.container.items.hold(connection, points)
        return await studio.container.items.write(connection, points, live, items)


async def stored(studio: Studio, points: Collection, item_id: str) -> tuple[int, str, list[str | None]]:
    """The sequence number, the content and the texts of the parts."""
    found = await studio.container.items.get(points, item_id)
    vector = (await studio.container.items.vectors(points, [item_id]))[item_id]
    texts = [part.text for part in found.parts]
    assert texts == [found.content_hash]
    assert vector[1] == sum(found.content_hash.encode())
    return found.payload["seq"], found.content_hash, texts


writes = st.lists(st.tuples(st.sampled_from(["a", "b"]), st.sampled_from(["x", "y"])), min_size=1, max_size=10).flatmap(
    lambda contents: st.tuples(
        st.permutations([(name, seq, content) for seq, (name, content) in enumerate(contents, 1)]),
        st.lists(st.integers(0, 10), max_size=3),
    )
)


@given(plan=writes)
@hypothesis_settings(max_examples=60)
async def test_the_newest_wins_in_any_order_and_grouping(
    studio: Studio, points: Collection, plan: tuple[list[tuple[str, int, str]], list[int]]
) -> None:
    order, cuts = plan
    async with studio.container.pool.acquire() as connection:
        await delete_items(connection, points, ["a", "b"])
    bounds = [0, *sorted(cuts), len(order)]
    for start, end in pairwise(bounds):
        if order[start:end]:
            assert await write(studio, points, [item(*one) for one in order[start:end]]) == set()
    newest = {name: (seq, content) for name, seq, content in sorted(order, key=lambda one: one[1])}
    for name, (seq, content) in newest.items():
        assert (await stored(studio, points, name))[:2] == (seq, content)


@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["a", "b"]), st.integers(1, 9), st.sampled_from(["x", "y"]), st.booleans()),
        max_size=12,
        unique_by=lambda step: step[1],
    )
)
@hypothesis_settings(max_examples=60)
async def test_vectors_are_always_those_of_the_content(
    studio: Studio, points: Collection, steps: list[tuple[str, int, str, bool]]
) -> None:
    """A write without parts says: the content is as I saw it. If it is not, the write is to be prepared again."""
    async with studio.container.pool.acquire() as connection:
        await delete_items(connection, points, ["a", "b"])
    newest: dict[str, tuple[int, str]] = {}
    for name, seq, content, parts in steps:
        stale = await write(studio, points, [item(name, seq, content, parts=parts)])
        must_have_parts = newest.get(name, (0, ""))[1] != content
        assert stale == ({name} if must_have_parts and not parts else set())
        if not stale and seq >= newest.get(name, (0, ""))[0]:
            newest[name] = (seq, content)
    for name, (seq, content) in newest.items():
        assert (await stored(studio, points, name))[:2] == (seq, content)


async def test_writers_at_once_end_with_the_newest(studio: Studio, points: Collection) -> None:
    batches = [[item(name, seq, f"c{seq}") for name in ("a", "b", "c", "d")] for seq in range(1, 21)]
    await asyncio.gather(*(write(studio, points, batch[::direction]) for batch in batches for direction in (1, -1)))
    for name in ("a", "b", "c", "d"):
        assert await stored(studio, points, name) == (20, "c20", ["c20"])


async def test_what_fails_half_way_leaves_nothing(studio: Studio, points: Collection) -> None:
    bad = Item("bad", {}, None, 2, "h", {1: (Part("t", np.ones(3, np.float32)),)})
    with pytest.raises(Exception, match="dimensions"):
        await write(studio, points, [item("good", 1, "x"), bad])
    for name in ("good", "bad"):
        with pytest.raises(ItemNotFoundError):
            await studio.container.items.get(points, name)


async def test_a_deleted_item_takes_its_parts_along(studio: Studio, points: Collection) -> None:
    await write(studio, points, [item("a", 1, "x"), item("b", 2, "y")])
    async with studio.container.pool.acquire() as connection:
        assert await delete_items(connection, points, ["a", "none"]) == 1
    left: list[Any] = await studio.container.pool.fetch(f"SELECT item_id FROM parts_{points.id}_1")
    assert [row["item_id"] for row in left] == ["b"]
    assert set(await studio.container.items.vectors(points, ["a", "b"])) == {"b"}


async def test_a_write_to_a_collection_that_is_gone(studio: Studio, points: Collection) -> None:
    await studio.container.catalog.delete(points.name)
    with pytest.raises(CollectionNotFoundError):
        await write(studio, points, [item("a", 1, "x")])


async def test_a_sample_is_of_the_size_asked_for_and_stays_the_same(studio: Studio, points: Collection) -> None:
    assert await studio.container.items.sample(points, limit=5) == {}
    await write(studio, points, [item(f"i{n:04}", n, f"c{n}") for n in range(1, 1001)])
    first, again = [await studio.container.items.sample(points, limit=100) for _ in range(2)]
    assert first.keys() == again.keys()
    assert 50 <= len(first) <= 100
    assert len(await studio.container.items.sample(points, limit=5000)) == 1000


async def test_writers_and_deployments_at_once_disturb_each_other_in_nothing(
    studio: Studio, points: Collection
) -> None:
    catalog = studio.container.catalog

    async def deploy_back_and_forth() -> None:
        for _ in range(10):
            present = await catalog.get(points.name)
            leaving = present.deployment_id
            await catalog.deploy(present, model_version=2, leaving=leaving, task_id=new_id(), note="")
            await catalog.roll_back(points.name, leaving=(await catalog.get(points.name)).deployment_id)

    async def write_all(name: str) -> None:
        for seq in range(1, 21):
            await write(studio, points, [item(name, seq, f"c{seq}")])

    await asyncio.gather(deploy_back_and_forth(), *(write_all(name) for name in "abcde"))
    for name in "abcde":
        assert (await stored(studio, points, name))[:2] == (20, "c20")
