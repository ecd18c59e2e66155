"""Experiments end by themselves: decided, at their limit, or because something is wrong."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from embedding_studio.kernel.ids import new_id
from embedding_studio.vector_store import Collection
from integration.experiments.conftest import Begin, Json
from studio import Studio

pytestmark = pytest.mark.anyio


async def keep(studio: Studio, shop: Collection, made: Json, variant: str, number: int, **fields: Any) -> None:
    """Store so many sessions of users of their own, with `clicked` of them clicked, as if they had been searched."""
    clicked, shown, at = fields.pop("clicked", 0), fields.pop("shown", 3), datetime.now(UTC)
    sessions = [
        {
            "_id": new_id(),
            "collection": shop.name,
            "experiment": made["id"],
            "variant": variant,
            "user_id": new_id(),
            "query": {"text": "a"},
            "results": [
                {"id": f"i{n}", "position": n, "score": 1.0, "propensity": 1.0, "team": team}
                for n, team in enumerate(fields.get("teams", ["control"] * shown), 1)
            ],
            "mode": "hybrid",
            "created_at": at,
            "has_events": place < clicked,
            "took_ms": fields.get("took_ms", 10.0),
        }
        for place in range(number)
    ]
    events = [
        {
            "_id": new_id(),
            "session_id": one["_id"],
            "collection": shop.name,
            "item_id": "i1",
            "type": "click",
            "position": 1,
            "timestamp": at,
            "received_at": at,
        }
        for one in sessions[:clicked]
    ]
    await studio.container.database["sessions"].insert_many(sessions)
    if events:
        await studio.container.database["events"].insert_many(events)


async def decided(studio: Studio, shop: Collection, made: Json) -> Json:
    studio.container.decider._rests.clear()
    await studio.container.decider.decide()
    answer = await studio.client.get(f"/api/v1/collections/{shop.name}/experiments/{made['id']}")
    return dict(answer.json())


async def test_what_is_certain_is_decided_and_promoted_only_if_that_was_wanted(
    studio: Studio, shop: Collection, version: int, begin: Begin
) -> None:
    seen: Json = {}
    for promote in ("never", "if_better"):
        made = await begin(promote=promote)
        await keep(studio, shop, made, "control", 400, clicked=80)
        await keep(studio, shop, made, "treatment", 400, clicked=200)
        seen = await decided(studio, shop, made)
        assert (seen["state"], seen["decision"]) == ("decided", "treatment")
        assert seen["reason"] == "the treatment is better after 800 sessions"
        assert seen["effect"]["estimate"] == pytest.approx(0.3)
        assert seen["effect"]["ci95"][0] > 0
        assert seen["effect"]["anytime_valid"] is True
        assert (seen["task_id"] is None) == (promote == "never")
    assert (await studio.work(seen["task_id"]))["result"]["model_version"] == version


async def test_a_decision_may_be_for_the_control_which_is_not_promoted(
    studio: Studio, shop: Collection, begin: Begin
) -> None:
    made = await begin(promote="if_better")
    await keep(studio, shop, made, "control", 400, clicked=200)
    await keep(studio, shop, made, "treatment", 400, clicked=80)
    seen = await decided(studio, shop, made)
    assert (seen["state"], seen["decision"], seen["promoted"]) == ("decided", "control", None)


async def test_what_was_decided_may_be_promoted_later(
    studio: Studio, shop: Collection, version: int, begin: Begin
) -> None:
    made = await begin()
    await keep(studio, shop, made, "control", 400, clicked=80)
    await keep(studio, shop, made, "treatment", 400, clicked=200)
    await decided(studio, shop, made)
    url = f"/api/v1/collections/{shop.name}/experiments/{made['id']}/stop"
    ended = (await studio.client.post(url, json={"promote": "treatment"})).json()
    assert (ended["state"], ended["decision"], ended["promoted"]) == ("decided", "treatment", "treatment")
    assert (await studio.work(ended["task_id"]))["result"]["model_version"] == version


async def test_nothing_is_decided_before_the_least_sessions_and_nothing_goes_on_after_the_most(
    studio: Studio, shop: Collection, begin: Begin
) -> None:
    made = await begin(stop={"min_sessions": 801, "max_sessions": 900})
    await keep(studio, shop, made, "control", 400, clicked=80)
    await keep(studio, shop, made, "treatment", 400, clicked=200)
    seen = await decided(studio, shop, made)
    assert (seen["state"], seen["waiting"]) == ("running", "800 sessions of at least 801")
    await keep(studio, shop, made, "control", 1)
    assert (await decided(studio, shop, made))["state"] == "decided"
    other = await begin(stop={"max_sessions": 300})
    await keep(studio, shop, other, "control", 150, clicked=50)
    await keep(studio, shop, other, "treatment", 150, clicked=50)
    seen = await decided(studio, shop, other)
    assert (seen["state"], seen["decision"], seen["reason"]) == ("stopped", None, "undecided after 300 sessions")


async def test_arms_that_are_not_as_large_as_they_should_be_end_it(
    studio: Studio, shop: Collection, begin: Begin
) -> None:
    made = await begin()
    await keep(studio, shop, made, "control", 600, clicked=100)
    await keep(studio, shop, made, "treatment", 300, clicked=200)
    seen = await decided(studio, shop, made)
    assert (seen["state"], seen["decision"], seen["effect"]) == ("stopped", None, None)
    assert seen["reason"].startswith("sample ratio: ")
    assert not seen["sample_ratio"]["ok"]


@pytest.mark.parametrize(
    ("fields", "named"), [({"took_ms": 40.0}, "latency"), ({"shown": 0, "clicked": 0}, "zero_results")]
)
async def test_a_treatment_that_does_harm_is_stopped(
    studio: Studio, shop: Collection, begin: Begin, fields: Json, named: str
) -> None:
    made = await begin()
    rng = np.random.default_rng(0)
    for _ in range(4):
        noise = float(rng.uniform(0.8, 1.2))
        await keep(studio, shop, made, "control", 150, clicked=50, took_ms=10.0 * noise)
        await keep(studio, shop, made, "treatment", 100, clicked=50, took_ms=11.0 * noise)
        await keep(studio, shop, made, "treatment", 50, **{"took_ms": 10.0 * noise, **fields})
    if named == "latency":
        await keep(studio, shop, made, "control", 600, took_ms=10.0)
        await keep(studio, shop, made, "treatment", 600, took_ms=40.0)
    seen = await decided(studio, shop, made)
    assert (seen["state"], seen["decision"]) == ("stopped", None)
    assert seen["reason"].startswith("guardrail: ")
    assert named in seen["reason"]


async def test_a_draft_is_decided_by_whose_picks_are_clicked(studio: Studio, shop: Collection, begin: Begin) -> None:
    made = await begin(kind="interleaving")
    await keep(studio, shop, made, "interleaved", 300, clicked=200, teams=["treatment", "control"])
    await keep(studio, shop, made, "interleaved", 300, clicked=60, teams=["control", "treatment"])
    seen = await decided(studio, shop, made)
    assert (seen["state"], seen["decision"]) == ("decided", "treatment")
    assert seen["effect"]["estimate"] == pytest.approx((200 - 60) / 260)


async def test_a_reading_that_took_long_is_not_repeated_soon(
    studio: Studio, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await begin()
    decider, counted = studio.container.decider, 0
    count = decider._counter.count

    async def counting(*arguments: Any, **named: Any) -> Any:
        nonlocal counted
        counted += 1
        return await count(*arguments, **named)

    monkeypatch.setattr(decider._counter, "count", counting)
    monkeypatch.setattr(decider, "_effort", 1e-9)
    for _ in range(3):
        await decider.decide()
    assert counted == 1
    assert list(decider._rests) == [made["id"]]


async def test_a_promotion_that_cannot_be_is_told_and_does_not_keep_the_others_waiting(
    studio: Studio, shop: Collection, begin: Begin
) -> None:
    made = await begin()
    gone = {"state": "stopped", "is_live": False, "promoted": "treatment", "owes_promotion": True, "reason": "enough"}
    experiments = studio.container.database["experiments"]
    await experiments.update_one({"_id": made["id"]}, {"$set": {**gone, "treatment.model_version": 99}})
    await studio.container.decider.decide()
    found = await experiments.find_one({"_id": made["id"]})
    assert found is not None
    assert found["owes_promotion"] is False
    assert found["reason"].startswith("enough; not promoted: the collection")
    assert f"experiment:{made['id']}" not in await studio.container.holds.holders("experiment")
    assert (await studio.client.get(f"/api/v1/collections/{shop.name}")).json()["model_version"] == 1


async def test_of_two_who_choose_at_once_one_is_heard(studio: Studio, shop: Collection, begin: Begin) -> None:
    services = studio.container
    made = await begin()
    await studio.client.post(f"/api/v1/collections/{shop.name}/experiments/{made['id']}/stop")
    stopped = await services.experiments.get(shop.name, made["id"])
    control, treatment = services.ending.choose(stopped, "control"), services.ending.choose(stopped, "treatment")
    assert sorted(await asyncio.gather(control, treatment)) == [False, True]
