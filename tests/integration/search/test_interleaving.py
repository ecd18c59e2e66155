"""Two rankings in one list: each keeps its order, and no page repeats or skips an item."""

from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

import pytest

from embedding_studio.kernel.ids import new_id
from studio import Studio

pytestmark = pytest.mark.anyio

Json = dict[str, Any]

NAME = "interleaved"
THINGS = ("sofa", "car", "song", "lamp", "boat")
TITLES = [f"{colour} {thing}" for colour in ("red", "green", "blue", "old", "new", "tall") for thing in THINGS]
QUERY = "red sofa"


@pytest.fixture(scope="module", autouse=True)
async def _shop(studio: Studio) -> AsyncIterator[None]:
    await studio.create(NAME)
    await studio.add(NAME, [{"id": title, "payload": {"title": title}} for title in TITLES])
    yield
    await studio.client.delete(f"/api/v1/collections/{NAME}")


@pytest.fixture
async def orders(studio: Studio) -> dict[str, list[str]]:
    """What each ranking alone gives."""
    found = {
        "control": await studio.search(NAME, query=QUERY, mode="vector", limit=100, track=False),
        "treatment": await studio.search(NAME, query=QUERY, mode="lexical", limit=100, track=False),
    }
    return {team: [one["id"] for one in answer["results"]] for team, answer in found.items()}


class Drafts:
    """An experiment that interleaves vectors, the control, with words, the treatment."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        self.id = ""

    async def begin(self, depth: int, **arm: Any) -> None:
        wish = {
            "name": "words",
            "kind": "interleaving",
            "control": {"model_version": 1, "ranking": {"mode": "vector", "depth": depth, **arm}},
            "treatment": {"model_version": 1, "ranking": {"mode": "lexical", "depth": depth, **arm}},
        }
        answer = await self.studio.client.post(f"/api/v1/collections/{NAME}/experiments", json=wish)
        assert answer.status_code == 201, answer.text
        self.id = answer.json()["id"]
        self.studio.container.trials._seen.clear()

    async def end(self) -> None:
        await self.studio.client.post(f"/api/v1/collections/{NAME}/experiments/{self.id}/stop")
        self.studio.container.trials._seen.clear()

    async def pages(self, limit: int, **fields: Any) -> list[Json]:
        """All pages of a search."""
        asked: Json = {"query": QUERY, "user_id": "ann", "explain": True, "limit": limit, **fields}
        pages = [await self.studio.search(NAME, **asked)]
        while pages[-1]["next_cursor"] is not None:
            pages.append(await self.studio.search(NAME, **asked, cursor=pages[-1]["next_cursor"]))
        return pages


@pytest.fixture
async def drafts(studio: Studio) -> AsyncIterator[Drafts]:
    drafts = Drafts(studio)
    yield drafts
    await drafts.end()


def shown(pages: list[Json]) -> list[str]:
    return [one["id"] for page in pages for one in page["results"]]


def picks(pages: list[Json], team: str) -> list[str]:
    return [one["id"] for page in pages for one in page["results"] if one["explanation"].get("team") == team]


@pytest.mark.parametrize(("limit", "depth"), [(3, 5), (7, 5), (4, 100), (30, 1), (1, 2), (100, 100)])
async def test_pages_go_on_with_the_draft_and_then_with_the_control(
    drafts: Drafts, orders: dict[str, list[str]], limit: int, depth: int
) -> None:
    await drafts.begin(depth)
    pages = await drafts.pages(limit)
    assert {page["variant"] for page in pages} == {"interleaved"}
    found, window = shown(pages), max(limit, depth)
    assert sorted(found) == sorted(TITLES)
    positions = [one["position"] for page in pages for one in page["results"]]
    assert positions == list(range(1, len(found) + 1))
    drafted = {*orders["control"][:window], *orders["treatment"][:window]}
    assert set(found[: len(drafted)]) == drafted
    assert found[len(drafted) :] == [one for one in orders["control"] if one not in drafted]
    for team, order in orders.items():
        places = [order.index(one) for one in picks(pages, team)]
        assert all(before < after for before, after in pairwise(places))
    assert {*picks(pages, "control"), *picks(pages, "treatment")} == drafted


async def test_each_search_tosses_anew_and_all_its_pages_keep_that(drafts: Drafts) -> None:
    await drafts.begin(depth=5)
    found: list[list[Json]] = []
    first: set[str] = set()
    while len(first) < 2 or len({tuple(shown(pages)) for pages in found}) < 2:
        assert len(found) < 100, "all searches were tossed alike"
        found.append(await drafts.pages(2))
        first.add(found[-1][0]["results"][0]["explanation"]["team"])
    assert first == {"control", "treatment"}
    seeds = set()
    for page in found[0]:
        session = await drafts.studio.container.database["sessions"].find_one({"_id": page["session_id"]})
        assert session is not None
        seeds.add(session["seed"])
        assert [one.get("team") for one in session["results"]] == [
            one["explanation"].get("team") for one in page["results"]
        ]
    assert len(seeds) == 1


async def test_a_draft_goes_on_when_its_experiment_has_ended(drafts: Drafts) -> None:
    await drafts.begin(depth=5)
    first = await drafts.studio.search(NAME, query=QUERY, user_id="ann", limit=4)
    await drafts.end()
    cursor, found = first["next_cursor"], shown([first])
    while cursor is not None:
        page = await drafts.studio.search(NAME, query=QUERY, user_id="ann", limit=4, cursor=cursor)
        found, cursor = [*found, *shown([page])], page["next_cursor"]
    assert sorted(found) == sorted(TITLES)


async def test_items_bear_the_scores_of_the_ranking_that_picked_them(drafts: Drafts) -> None:
    await drafts.begin(depth=5)
    (page,) = await drafts.pages(100, vectors=True)
    for one in page["results"]:
        parts = one["explanation"]
        assert one["score"] == pytest.approx(sum(parts[name] for name in ("vector", "lexical", "memory", "ranker")))
        if parts.get("team") == "treatment":
            assert (parts["vector"], parts["lexical"] > 0) == (0, True)
        assert len(one["vector"]) == 384
        assert one["payload"] == {"title": one["id"]}


@pytest.mark.parametrize("depth", [5, 30])
async def test_what_is_remembered_changes_rankings_and_no_page_repeats(drafts: Drafts, depth: int) -> None:
    await drafts.begin(depth=depth)
    found = (await drafts.pages(4))[-1]
    event = {"event_id": new_id(), "session_id": found["session_id"], "item_id": found["results"][0]["id"]}
    await drafts.studio.client.post("/api/v1/events", json={"events": [{**event, "type": "click"}]})
    await drafts.studio.container.improvement.learn(NAME)
    pages = await drafts.pages(3)
    assert sorted(shown(pages)) == sorted(TITLES)
    (remembered,) = [one for page in pages for one in page["results"] if one["id"] == event["item_id"]]
    assert depth == 5 or remembered["explanation"]["memory"] > 0


async def test_how_likely_an_item_was_at_its_place_is_told(drafts: Drafts, orders: dict[str, list[str]]) -> None:
    await drafts.begin(depth=5)
    first = {
        one["id"]: one["explanation"].get("propensity", 1.0)
        for _ in range(8)
        for one in (await drafts.pages(3))[0]["results"][:1]
    }
    heads = {orders["control"][0], orders["treatment"][0]}
    assert first == dict.fromkeys(heads, 1 / len(heads))


async def test_what_is_sorted_is_not_drafted(drafts: Drafts) -> None:
    await drafts.begin(depth=5)
    page = await drafts.studio.search(NAME, query=QUERY, user_id="ann", sort=[{"field": "title", "order": "asc"}])
    assert page["variant"] is None
    assert shown([page]) == sorted(TITLES)[:10]


async def test_only_words_of_the_control_are_counted(drafts: Drafts) -> None:
    await drafts.begin(depth=5)
    page = await drafts.studio.search(NAME, query=QUERY, user_id="ann", facets=["title"])
    assert page["total"] == {"value": 30, "relation": "eq"}
    assert sum(one["count"] for one in page["facets"]["title"]) > 0


@pytest.mark.parametrize("change", ["arm", "other", "seed", "query"])
async def test_a_cursor_of_a_draft_cannot_be_bent(drafts: Drafts, change: str) -> None:
    await drafts.begin(depth=5)
    page = await drafts.studio.search(NAME, query=QUERY, user_id="ann", limit=4)
    experiment, kind, seed, ours, theirs = page["next_cursor"].split(".")
    bent = {
        "arm": f"{experiment}.treatment.{ours}",
        "other": f"{experiment}.{kind}.{seed}.{ours}",
        "seed": f"{experiment}.{kind}.x.{ours}.{theirs}",
        "query": page["next_cursor"],
    }[change]
    asked = {"query": "blue boat" if change == "query" else QUERY, "user_id": "ann", "cursor": bent}
    answer = await drafts.studio.client.post(f"/api/v1/collections/{NAME}/search", json=asked)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == "cursor"
