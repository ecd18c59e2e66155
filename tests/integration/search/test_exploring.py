"""A first page may be shown in another order; the pages, scores and everything else stay as they are."""

import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from embedding_studio.sdk import SwapNeighbours
from embedding_studio.search import Explorer
from studio import Studio

pytestmark = pytest.mark.anyio

NAME = "explored"
ITEMS = 40
rng = np.random.default_rng(3)
VECTORS = rng.normal(size=(ITEMS, 4)).astype(np.float32)
QUERY = {"vector": [1.0, 0.5, -0.3, 0.2], "text": "lamp"}


@pytest.fixture(scope="module")
async def shelf(studio: Studio) -> str:
    await studio.create(NAME, "vectors", options={"dimensions": 4})
    items = [
        {"id": f"i{n:02}", "payload": {"title": "lamp" if n % 3 else "desk", "n": n}, "vector": vector.tolist()}
        for n, vector in enumerate(VECTORS)
    ]
    assert (await studio.add(NAME, items))["state"] == "succeeded"
    return NAME


@pytest.fixture
def exploring(studio: Studio, shelf: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """The plugin explores, half of the time, and the test says what is drawn."""
    assert shelf
    plugin = studio.container.plugins.get("vectors")
    explored = replace(plugin, ranking=replace(plugin.ranking, exploration=SwapNeighbours(share=0.5)))
    draws: list[float] = []
    monkeypatch.setattr(studio.container.collections, "plugin_of", lambda _: explored)
    monkeypatch.setattr(studio.container.searches, "_explorer", Explorer(lambda: draws.pop(0) if draws else 0.9))
    yield draws
    assert not draws, "not everything that was to be drawn was drawn"


def ids(answer: dict[str, Any]) -> list[str]:
    return [one["id"] for one in answer["results"]]


def swapped(found: list[str], upper: int) -> list[str]:
    return [*found[:upper], found[upper + 1], found[upper], *found[upper + 2 :]]


@pytest.mark.parametrize("fields", [{"query": QUERY}, {"query": QUERY, "mode": "vector"}, {"query": "lamp"}])
async def test_a_pair_changes_places_with_scores_positions_and_propensities_that_are_true(
    studio: Studio, exploring: list[float], fields: dict[str, Any]
) -> None:
    usual = await studio.search(NAME, limit=6, track=False, explain=True, **fields)
    exploring.append(0.25)  # of five pairs, 0.1 each, the third
    shown = await studio.search(NAME, limit=6, explain=True, **fields)
    assert ids(shown) == swapped(ids(usual), 2)
    assert [one["position"] for one in shown["results"]] == [1, 2, 3, 4, 5, 6]
    assert {one["id"]: one["score"] for one in shown["results"]} == {
        one["id"]: one["score"] for one in usual["results"]
    }
    propensities = [0.9, 0.8, 0.1, 0.1, 0.8, 0.9]
    assert [one["explanation"]["propensity"] for one in shown["results"]] == pytest.approx(propensities)
    session = (await studio.client.get(f"/api/v1/sessions/{shown['session_id']}")).json()
    assert [(one["id"], one["position"], one["score"]) for one in session["results"]] == [
        (one["id"], one["position"], one["score"]) for one in shown["results"]
    ]
    assert [one["propensity"] for one in session["results"]] == pytest.approx(propensities)


async def test_a_search_that_is_not_changed_logs_that_it_could_have_been(
    studio: Studio, exploring: list[float]
) -> None:
    usual = await studio.search(NAME, query=QUERY, limit=3, track=False)
    exploring.append(0.5)
    shown = await studio.search(NAME, query=QUERY, limit=3)
    assert shown["results"] == usual["results"]
    session = (await studio.client.get(f"/api/v1/sessions/{shown['session_id']}")).json()
    assert [one["propensity"] for one in session["results"]] == pytest.approx([0.75, 0.5, 0.75])


@pytest.mark.parametrize("fields", [{"query": QUERY}, {"query": QUERY, "mode": "vector"}, {"query": "lamp"}])
@pytest.mark.parametrize("limit", [2, 5, 7])
async def test_pages_behind_a_changed_one_repeat_and_skip_nothing(
    studio: Studio, exploring: list[float], fields: dict[str, Any], limit: int
) -> None:
    usual = ids(await studio.search(NAME, limit=ITEMS, track=False, **fields))
    upper = limit - 2
    exploring.append((upper + 0.5) * 0.5 / (limit - 1))  # the last pair of the page
    found: list[str] = []
    cursor = None
    while True:
        page = await studio.search(NAME, limit=limit, cursor=cursor, **fields)
        found += ids(page)
        if cursor:
            session = (await studio.client.get(f"/api/v1/sessions/{page['session_id']}")).json()
            assert all(one["propensity"] == 1 for one in session["results"])
        if (cursor := page["next_cursor"]) is None:
            break
    assert found == swapped(usual, upper)


@pytest.mark.parametrize(
    "fields",
    [
        {"query": QUERY, "track": False},
        {"query": QUERY, "sort": [{"field": "n", "order": "desc"}]},
        {"filter": {"field": "n", "gte": 3}},
    ],
)
async def test_nothing_is_drawn_where_nobody_could_learn(
    studio: Studio, exploring: list[float], fields: dict[str, Any]
) -> None:
    exploring.append(0.0)
    shown = await studio.search(NAME, limit=5, **fields)
    assert exploring.pop() == 0.0, "a draw was used"
    if shown["session_id"]:
        session = (await studio.client.get(f"/api/v1/sessions/{shown['session_id']}")).json()
        assert all(one["propensity"] == 1 for one in session["results"])


async def test_a_single_result_stays_where_it_is(studio: Studio, exploring: list[float]) -> None:
    usual = await studio.search(NAME, query=QUERY, limit=1, track=False)
    exploring.append(0.0)
    shown = await studio.search(NAME, query=QUERY, limit=1, explain=True)
    assert ids(shown) == ids(usual)
    assert "propensity" not in shown["results"][0]["explanation"]


async def test_without_exploration_all_is_as_if_there_were_none(
    studio: Studio, shelf: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never() -> float:
        raise AssertionError("something was drawn")

    monkeypatch.setattr(studio.container.searches, "_explorer", Explorer(never))
    shown = await studio.search(shelf, query=QUERY, limit=10, explain=True)
    again = await studio.search(shelf, query=QUERY, limit=10, explain=True, track=False)
    assert shown["results"] == again["results"]
    assert all("propensity" not in one["explanation"] for one in shown["results"])
    session = (await studio.client.get(f"/api/v1/sessions/{shown['session_id']}")).json()
    assert [one["propensity"] for one in session["results"]] == [1.0] * 10


async def test_the_share_of_changed_searches_is_the_one_that_was_asked_for(
    studio: Studio, exploring: list[float]
) -> None:
    usual = ids(await studio.search(NAME, query=QUERY, mode="vector", limit=4, track=False))
    drawn = random.Random(5)
    exploring.extend(drawn.random() for _ in range(200))
    changed = 0
    for _ in range(200):
        changed += ids(await studio.search(NAME, query=QUERY, mode="vector", limit=4)) != usual
    assert 75 <= changed <= 125  # 100, within three and a half standard errors
