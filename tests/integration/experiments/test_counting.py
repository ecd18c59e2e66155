"""What an experiment says of searches that were made and clicked through the API."""

from typing import Any

import pytest

from embedding_studio.kernel.ids import new_id
from embedding_studio.vector_store import Collection
from integration.experiments.conftest import Begin, Json
from studio import Studio

pytestmark = pytest.mark.anyio


async def look(studio: Studio, shop: Collection, experiment_id: str) -> Json:
    answer = await studio.client.get(f"/api/v1/collections/{shop.name}/experiments/{experiment_id}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def click(studio: Studio, found: Json, *places: int, kind: str = "click") -> None:
    events = [
        {
            "event_id": new_id(),
            "session_id": found["session_id"],
            "item_id": found["results"][place]["id"],
            "type": kind,
        }
        for place in places
    ]
    answer = await studio.client.post("/api/v1/events", json={"events": events})
    assert answer.json()["rejected"] == []


async def test_a_click_counts_at_once_for_the_variant_that_was_shown(
    studio: Studio, shop: Collection, begin: Begin
) -> None:
    made = await begin()
    expected: dict[str, list[int]] = {"control": [0, 0], "treatment": [0, 0]}
    for number in range(20):
        found = await studio.search(shop.name, query="couch", user_id=f"u{number}")
        expected[found["variant"]][0] += 1
        if number % 3 == 0:
            await click(studio, found, 1)
            expected[found["variant"]][1] += 1
    seen = await look(studio, shop, made["id"])
    assert seen["sessions"] == 20
    for variant in seen["variants"]:
        sessions, clicks = expected[variant["name"]]
        assert (variant["sessions"], variant["units"], variant["clicks"]) == (sessions, sessions, clicks)
        assert variant["ctr"] == pytest.approx(clicks / sessions)
        assert variant["mrr"] == (0.5 if clicks else None)
        assert variant["abandonment"] == pytest.approx(1 - clicks / sessions)
        assert (variant["conversions"], variant["zero_results"]) == (0, 0)
        assert variant["p95_ms"] > 0
    assert seen["sample_ratio"]["ok"]
    assert (seen["effect"], seen["waiting"]) == (None, "there are too few clicks to tell")


async def test_later_pages_are_no_searches_of_their_own(studio: Studio, shop: Collection, begin: Begin) -> None:
    made = await begin()
    found = await studio.search(shop.name, query="couch", user_id="ann", limit=3)
    await studio.search(shop.name, query="couch", user_id="ann", limit=3, cursor=found["next_cursor"])
    assert (await look(studio, shop, made["id"]))["sessions"] == 1


async def test_what_is_irrelevant_or_forgotten_is_not_counted_any_more(
    studio: Studio, shop: Collection, begin: Begin
) -> None:
    made = await begin()
    users = [new_id() for _ in range(3)]
    for user in users:
        await click(studio, await studio.search(shop.name, query="couch", user_id=user), 0)
    found = await studio.search(shop.name, query="couch", user_id=users[0])
    await studio.client.post(f"/api/v1/sessions/{found['session_id']}/irrelevant")
    seen = await look(studio, shop, made["id"])
    assert (seen["sessions"], seen["excluded"]) == (3, {"irrelevant": 1, "bots": 0})
    task = await studio.client.delete(f"/api/v1/users/{users[0]}")
    await studio.work(task.json()["task_id"])
    seen = await look(studio, shop, made["id"])
    assert (seen["sessions"], seen["excluded"]["irrelevant"]) == (2, 0)
    assert sum(one["clicks"] for one in seen["variants"]) == 2
    document = await studio.container.database["experiments"].find_one({"_id": made["id"]})
    assert not [user for user in users if user in str(document)]


async def test_sessions_may_be_given_time_to_be_clicked(
    studio: Studio, shop: Collection, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await begin()
    await studio.search(shop.name, query="couch", user_id="ann")
    assert (await look(studio, shop, made["id"]))["sessions"] == 1
    monkeypatch.setattr(studio.container.settings.experiments, "settle", 3600.0)
    assert (await look(studio, shop, made["id"]))["sessions"] == 0


@pytest.mark.parametrize("unit", ["user", "session"])
async def test_a_draft_is_counted_by_the_picks_of_each_ranking(
    studio: Studio, shop: Collection, begin: Begin, unit: str
) -> None:
    made = await begin(kind="interleaving", unit=unit)
    clicks: dict[str, Any] = {"control": 0, "treatment": 0}
    for number in range(12):
        found = await studio.search(shop.name, query="couch", user_id=f"u{number}", explain=True)
        assert found["variant"] == "interleaved"
        await click(studio, found, number % 5)
        clicks[found["results"][number % 5]["explanation"]["team"]] += 1
    seen = await look(studio, shop, made["id"])
    assert seen["sessions"] == 12
    assert {one["name"]: one["clicks"] for one in seen["variants"]} == clicks
