"""The promises of the memory, for any clicks of any people in any order."""

import math
from collections.abc import Sequence
from dataclasses import astuple
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from embedding_studio.improvement.domain import Click, Direction, NewClicks
from embedding_studio.improvement.statements import table_of_queries
from embedding_studio.sdk import ClickMemory, Remembered

from .conftest import Shop

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 6, 1, tzinfo=UTC)
MEMORY = ClickMemory()
ANGLES = (0.0, 0.1, 0.4, 0.8, 1.2)
"""Of the queries of clicks; what is asked lies at 0."""

Row = tuple[int, int, str | None, float, int]
rows = st.lists(
    st.tuples(
        st.integers(0, len(ANGLES) - 1),
        st.integers(0, 3),
        st.sampled_from([None, "ann", "bob", "cyd"]),
        st.sampled_from([-1.0, -0.5, 0.5, 1.0, 2.3, 3.0]),
        st.integers(0, 90),
    ),
    max_size=16,
)
any_rows = hypothesis_settings(max_examples=15)


def direction(angle: float) -> Direction:
    vector = np.array([math.cos(angle), math.sin(angle), *[0.0] * 6], np.float32)
    return Direction(f"angle {angle}", "", "", vector)


def said(number: int, row: Row) -> NewClicks:
    angle, item, user, weight, age = row
    session = f"s{number:03}"
    click = Click(session, f"i{item:02}", user, weight, NOW - timedelta(days=age))
    return NewClicks(session, direction(ANGLES[angle]), [click])


async def write(shop: Shop, clicks: Sequence[NewClicks], *, at_once: int = 100) -> None:
    repository = shop.studio.container.improvement._memories
    collection = await shop.studio.container.collections.current(shop.name)
    memory_id = await repository.make(collection, "", 8)
    assert memory_id is not None
    for start in range(0, len(clicks), at_once):
        async with repository.hold(memory_id) as memory:
            assert memory is not None
            batch = {one.session_id: one for one in clicks[start : start + at_once]}
            await memory.write(collection, list(batch.values()))


async def clear(shop: Shop, column: str | None = None, value: str | None = None) -> None:
    repository = shop.studio.container.improvement._memories
    collection = await shop.studio.container.collections.current(shop.name)
    for memory_id in (await repository.find(collection)).values():
        async with repository.hold(memory_id) as memory:
            assert memory is not None
            await memory.delete(f"{column} = $1" if column else "true", *([value] if column else []))
        # As is done by itself within a minute; a graph of many dead and equal queries may hide a living one until then.
        await shop.studio.container.pool.execute(f"VACUUM {table_of_queries(memory_id)}")


async def near(shop: Shop, user: str | None = None, settings: ClickMemory = MEMORY) -> dict[str, Remembered]:
    repository = shop.studio.container.improvement._memories
    collection = await shop.studio.container.collections.current(shop.name)
    memory_id = await repository.make(collection, "", 8)
    assert memory_id is not None
    _, found = await repository.near(memory_id, direction(0).vector, settings, user_id=user, at=NOW, revision=None)
    return found


def expected(clicks: Sequence[NewClicks], user: str | None, users: int) -> dict[str, Remembered]:
    """The rule, written down once more."""
    latest: dict[tuple[str, str, str | None], tuple[datetime, str, float]] = {}
    terms: dict[str, dict[str, list[float]]] = {}
    own: dict[str, list[float]] = {}

    def term(one: NewClicks, weight: float, at: datetime) -> float:
        assert one.direction
        cosine = float(one.direction.vector[0])
        share = max(0.0, (cosine - MEMORY.threshold) / (1 - MEMORY.threshold))
        return weight * share * 2 ** (-(NOW - at).days / MEMORY.half_life_days)

    for one in clicks:
        for click in one.clicks:
            assert one.direction
            key = (one.direction.key, click.item_id, click.user_id)
            latest[key] = max(
                latest.get(key, (datetime.min.replace(tzinfo=UTC), "", 0.0)),
                (click.at, click.session_id, term(one, click.weight, click.at)),
            )
            if user is not None and click.user_id == user:
                own.setdefault(click.item_id, []).append(term(one, click.weight, click.at))
    for (_, item, who), (_, _, value) in latest.items():
        if who is not None and who != user:
            terms.setdefault(item, {}).setdefault(who, []).append(value)
    known = {item: _remembered(terms.get(item, {}), own.get(item, []), users) for item in {*terms, *own}}
    return {item: one for item, one in known.items() if one.own_up or one.own_down or one.voices}


def _remembered(terms: dict[str, list[float]], own: list[float], users: int) -> Remembered:
    up, down = (_voices(sign, terms)[max(0, users - 1) :] for sign in (1, -1))
    own_up, own_down = (sum(max(0.0, sign * one) for one in own) for sign in (1, -1))
    return Remembered(own_up, own_down, sum(up), sum(down), len(up) + len(down))


def _voices(sign: int, terms: dict[str, list[float]]) -> list[float]:
    sums = [sum(max(0.0, sign * one) for one in values) for values in terms.values()]
    return sorted((min(MEMORY.voice, one) for one in sums if one), reverse=True)


@given(all_rows=rows, user=st.sampled_from([None, "ann", "eve"]), users=st.integers(0, 4))
@hypothesis_settings(any_rows, max_examples=40)
async def test_strengths_are_those_of_the_rule(shop: Shop, all_rows: list[Row], user: str | None, users: int) -> None:
    await clear(shop)
    clicks = [said(number, row) for number, row in enumerate(all_rows)]
    await write(shop, clicks)
    found, wanted = await near(shop, user, ClickMemory(users=users)), expected(clicks, user, users)
    assert found.keys() == wanted.keys()
    for item, remembered in found.items():
        assert astuple(remembered) == pytest.approx(astuple(wanted[item]), abs=2e-3)  # halves against floats
        assert all(-MEMORY.negative_cap <= gain <= MEMORY.cap for gain in MEMORY.gains(remembered))


@given(all_rows=rows, order=st.permutations(range(32)), at_once=st.integers(1, 5))
@any_rows
async def test_neither_order_nor_repetition_matters(
    shop: Shop, all_rows: list[Row], order: list[int], at_once: int
) -> None:
    await clear(shop)
    clicks = [said(number, row) for number, row in enumerate(all_rows)]
    await write(shop, clicks)
    once = await near(shop)
    await clear(shop)
    await write(shop, [clicks[one % len(clicks)] for one in order if one < 2 * len(clicks)], at_once=at_once)
    assert await near(shop) == once


@given(all_rows=rows, more=rows.filter(bool))
@any_rows
async def test_what_is_deleted_leaves_all_as_it_was(shop: Shop, all_rows: list[Row], more: list[Row]) -> None:
    await clear(shop)
    await write(shop, [said(number, row) for number, row in enumerate(all_rows)])
    before = [await near(shop), await near(shop, "ann")]
    added = [said(500 + number, row) for number, row in enumerate(more)]
    await write(shop, added)
    for one in added:
        await clear(shop, "session_id", one.session_id)
    assert [await near(shop), await near(shop, "ann")] == before


@given(all_rows=rows, more=rows)
@any_rows
async def test_an_item_depends_on_its_own_rows_and_a_user_on_no_unconfirmed_others(
    shop: Shop, all_rows: list[Row], more: list[Row]
) -> None:
    await clear(shop)
    await write(shop, [said(number, row) for number, row in enumerate(all_rows)])
    before = {user: await near(shop, user) for user in (None, "ann", "eve")}
    others = [
        said(500 + number, (angle, 9, "bob", weight, age)) for number, (angle, _, _, weight, age) in enumerate(more)
    ]
    await write(shop, others)
    assert {user: await near(shop, user) for user in (None, "ann", "eve")} == before
