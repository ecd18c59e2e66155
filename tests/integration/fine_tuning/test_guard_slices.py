"""A model that users would like and editors would not, from sessions to its verified record."""

from typing import Any

import pytest

from embedding_studio.fine_tuning import normalize_query
from embedding_studio.fine_tuning.splits import split_of
from studio import Studio

pytestmark = pytest.mark.anyio

Json = dict[str, Any]

NAME = "guarded"
THINGS = [
    *("sofa", "table", "lamp", "knife", "chair", "rug", "mirror", "shelf", "clock", "vase", "bowl", "bench"),
    *(
        "pillow",
        "curtain",
        "kettle",
        "bottle",
        "hammer",
        "ladder",
        "bucket",
        "candle",
        "basket",
        "teapot",
        "spoon",
        "bed",
    ),
]
KINDS = ["red", "cheap", "small", "old", "good", "round"]
PLACES = ["kitchen", "garden", "office", "hotel", "children", "winter", "summer"]
OTHER_KINDS = ["noble", "plain", "sturdy", "light", "modern", "rustic", "quiet", "Danish", "heavy", "simple", "famous"]


def asked() -> list[tuple[str, str]]:
    """What users ask, and the thing that they click: never the one that they name, but always the same."""
    partners = dict(zip(THINGS, THINGS[7:] + THINGS[:7], strict=True))
    return [
        (f"{kind} {thing} for the {place}", partners[thing]) for thing in THINGS for kind in KINDS for place in PLACES
    ]


def decided() -> list[tuple[str, str]]:
    """What editors say of queries of the gate split: the thing that is named belongs on top."""
    pairs = [(f"{kind} {thing}", thing) for thing in THINGS for kind in OTHER_KINDS]
    return [(query, thing) for query, thing in pairs if split_of(normalize_query(query), salt=NAME) == "gate"]


@pytest.fixture(scope="module")
async def shop(studio: Studio) -> str:
    """Two users ask each query; what they click stands anywhere among ten things."""
    await studio.create(NAME, options={"mode": "vector"})
    await studio.add(NAME, [{"id": thing, "payload": {"title": f"a {thing}"}} for thing in THINGS])
    events: list[Json] = []
    for number, (query, wanted) in enumerate(asked()):
        others = [thing for thing in THINGS if thing != wanted]
        shown = [others[(number + place) % len(others)] for place in range(9)]
        shown.insert(number % 10, wanted)
        for user in ("ann", "bob"):
            session = f"{NAME}-{user}-{number}"
            results = [{"id": thing, "position": place} for place, thing in enumerate(shown, 1)]
            body = {"session_id": session, "query": query, "results": results, "user_id": f"{user} {number}"}
            answer = await studio.client.post(f"/api/v1/collections/{NAME}/sessions", json=body)
            assert answer.status_code == 201, answer.text
            events.append({"event_id": session, "session_id": session, "item_id": wanted, "type": "click"})
    for start in range(0, len(events), 1000):
        answer = await studio.client.post("/api/v1/events", json={"events": events[start : start + 1000]})
        assert answer.json()["rejected"] == []
    return NAME


async def fine_tune(studio: Studio, name: str) -> Json:
    body = {"track": "query_adapter", "deploy": "never"}
    answer = await studio.client.post(f"/api/v1/collections/{name}/fine-tuning", json=body)
    task = await studio.work(answer.json()["task_id"])
    assert task["state"] == "succeeded", task["error"]
    return dict(task["result"])


async def verified(studio: Studio, name: str, result: Json) -> Json:
    """The record of a model that was trained, decided again."""
    answer = await studio.client.get(f"/api/v1/collections/{name}/models/{result['model_version']}/gate")
    assert answer.status_code == 200, answer.text
    found = dict(answer.json())
    assert found["differing"] == []
    assert (found["decision"], found["reasons"]) == (result["gate"]["decision"], result["gate"]["reasons"])
    assert found["metrics"] == result["metrics"]
    return found


async def test_what_users_like_is_promoted_and_refused_where_editors_object(studio: Studio, shop: str) -> None:
    liked = await fine_tune(studio, shop)
    assert liked["gate"]["decision"] == "promote", liked["gate"]
    before = await verified(studio, shop, liked)
    assert "curated" not in before["slices"]

    rows = [{"query": query, "item_id": thing, "gain": 1} for query, thing in decided()]
    answer = await studio.client.put(f"/api/v1/collections/{shop}/judgments", json={"judgments": rows})
    assert answer.json()["added"] == len(rows) >= 50
    refused = await fine_tune(studio, shop)
    assert refused["gate"]["decision"] == "reject", refused["gate"]
    assert refused["gate"]["reasons"][0].startswith("curated: a loss of more than 0.01 is not ruled out")
    after = await verified(studio, shop, refused)
    assert after["slices"]["curated"]["groups"] == len(rows)
    assert after["metrics"] == before["metrics"]
    assert after["data_hash"] != before["data_hash"]
