"""The whole way: an experiment is made, people search and click, it is read and decided, and the better arm serves."""

import random
from collections import Counter

import pytest

from embedding_studio.kernel.ids import new_id
from embedding_studio.vector_store import Collection
from integration.experiments.conftest import Begin, Json
from studio import Studio

pytestmark = pytest.mark.anyio

USERS = [f"person-{number}" for number in range(240)]
LIKES = {"control": 0.25, "treatment": 0.75}


async def test_from_a_wish_to_the_deployment_of_what_people_preferred(
    studio: Studio, shop: Collection, version: int, begin: Begin
) -> None:
    made = await begin(promote="if_better", stop={"min_sessions": 400})
    url = f"/api/v1/collections/{shop.name}/experiments/{made['id']}"
    chance, clicked, variants = random.Random(5), Counter[str](), dict[str, str]()
    seen: Json = {}
    for visit in range(2):
        for user in USERS:
            found = await studio.search(shop.name, query=f"couch {visit}", user_id=user, limit=3)
            assert variants.setdefault(user, found["variant"]) == found["variant"]
            if chance.random() < LIKES[found["variant"]]:
                clicked[found["variant"]] += 1
                await click(studio, found)
        await studio.container.decider.decide()
        studio.container.decider._rests.clear()
        seen = (await studio.client.get(url)).json()
        assert seen["state"] == ("running" if visit == 0 else "decided")
    assert min(Counter(variants.values()).values()) > 80  # 120 each, less five standard deviations
    assert {one["name"]: one["clicks"] for one in seen["variants"]} == clicked
    assert (seen["decision"], seen["promoted"], seen["sample_ratio"]["ok"]) == ("treatment", "treatment", True)
    assert seen["effect"]["metric"] == "ctr"
    assert seen["effect"]["ci95"][0] > 0
    assert seen["effect"]["p_value"] < 0.05
    task = await studio.work(seen["task_id"])
    assert (task["kind"], task["state"], task["result"]["model_version"]) == ("deploy", "succeeded", version)
    studio.container.trials._seen.clear()
    answer = await studio.search(shop.name, query="couch", user_id=USERS[0])
    assert (answer["variant"], answer["model_version"]) == (None, version)


async def click(studio: Studio, found: Json) -> None:
    event = {"session_id": found["session_id"], "item_id": found["results"][0]["id"], "type": "click"}
    answer = await studio.client.post("/api/v1/events", json={"events": [{"event_id": new_id(), **event}]})
    assert answer.json()["accepted"] == 1
