"""The loop on a small slice: films in, clicks in, a trained model out, deployed and taken back."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from embedding_studio.demo.catalog import load_films
from embedding_studio.demo.queries import Query, compose_queries

pytestmark = pytest.mark.e2e

Finished = Callable[[httpx.Response], dict[str, Any]]
FILMS = 1_500
FILM = "/api/v1/collections/films"
UNASKED = "wet paint in an empty warehouse"
"""Far from all that is asked: the click memory leaves it alone."""


@pytest.fixture(scope="module")
def queries(api: httpx.Client, finished: Finished) -> list[Query]:
    """What people ask of 1,500 films, once those are searchable."""
    films = load_films(FILMS)
    assert api.post("/api/v1/collections", json={"name": "films", "plugin": "movies"}).status_code == 201
    task = finished(api.post(f"{FILM}/items", json={"items": [film.item() for film in films]}))
    assert (task["state"], task["progress"]) == ("succeeded", {"done": FILMS, "total": FILMS})
    return [query for query in compose_queries(films) if query.clicked]


def search(api: httpx.Client, text: str, **fields: object) -> dict[str, Any]:
    answer = api.post(f"{FILM}/search", json={"query": text, **fields})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def click_what_is_right(api: httpx.Client, query: Query, user: str) -> None:
    shown = search(api, query.text, limit=20, user_id=user)
    events = [
        {
            "event_id": f"{shown['session_id']}-{result['id']}",
            "session_id": shown["session_id"],
            "item_id": result["id"],
            "type": "click",
            "user_id": user,
        }
        for result in shown["results"]
        if result["id"] in query.relevant
    ]
    if events:
        answer = api.post("/api/v1/events", json={"events": events})
        assert answer.json() == {"accepted": len(events), "duplicates": 0, "rejected": []}


def test_the_loop(api: httpx.Client, finished: Finished, queries: list[Query]) -> None:
    for number, query in enumerate(queries[:150]):
        for user in range(3):
            click_what_is_right(api, query, f"u{(number + user) % 60}")
    before = search(api, UNASKED, track=False)

    trained = finished(api.post(f"{FILM}/fine-tuning", json={"track": "query_adapter", "params": {"epochs": 5}}))

    assert trained["state"] == "succeeded", trained["error"]
    result = trained["result"]
    assert result["track"] == "query_adapter"
    assert result["gate"]["decision"] == "not_enough_evidence"
    assert any("200" in reason for reason in result["gate"]["reasons"])
    assert result["data"]["sessions"] == 450
    assert set(result["metrics"]) == {"ndcg@10", "mrr@10", "recall@100"}
    assert set(result["metrics"]["ndcg@10"]) == {"before", "after", "delta", "ci95"}
    version = result["model_version"]
    assert version == 2
    assert search(api, UNASKED, track=False)["model_version"] == 1

    refused = api.post(f"{FILM}/models/{version}/deploy", json={})
    assert refused.status_code == 409
    deployed = finished(api.post(f"{FILM}/models/{version}/deploy", json={"force": True, "note": "a test"}))
    assert deployed["state"] == "succeeded", deployed["error"]
    after = search(api, UNASKED, track=False)
    assert after["model_version"] == version
    assert [one["score"] for one in after["results"]] != [one["score"] for one in before["results"]]
    states = {one["version"]: one["state"] for one in api.get(f"{FILM}/models").json()["items"]}
    assert states == {1: "retired", 2: "deployed"}

    assert finished(api.post(f"{FILM}/rollback"))["state"] == "succeeded"
    again = search(api, UNASKED, track=False)
    assert (again["model_version"], again["results"]) == (1, before["results"])


def test_query_and_index_speak_of_the_same_vectors(api: httpx.Client, queries: list[Query]) -> None:
    film = api.get(f"{FILM}/items/{next(iter(queries[0].relevant))}").json()
    embedded = api.post(f"{FILM}/embed", json={"texts": [film["parts"][0]["text"]], "kind": "item"}).json()
    query = {"query": {"vector": embedded["vectors"][0]}, "limit": 50, "explain": True}
    likeness = {
        one["id"]: one["explanation"]["vector"] for one in api.post(f"{FILM}/search", json=query).json()["results"]
    }
    assert max(likeness, key=likeness.__getitem__) == film["id"]
    assert likeness[film["id"]] == pytest.approx(1.0, abs=1e-5)


def test_a_waiting_post_answers_with_the_finished_task(api: httpx.Client) -> None:
    assert api.post("/api/v1/collections", json={"name": "notes", "plugin": "text"}).status_code == 201
    items = [{"id": "1", "payload": {"text": "tea with milk"}}, {"id": "2", "payload": {"text": "a fast car"}}]
    answer = api.post("/api/v1/collections/notes/items", params={"wait": "true"}, json={"items": items})
    assert (answer.status_code, answer.json()["state"]) == (200, "succeeded")
    found = api.post("/api/v1/collections/notes/search", json={"query": "hot drinks"}).json()
    assert [one["id"] for one in found["results"]] == ["1", "2"]
    assert api.delete("/api/v1/collections/notes").status_code == 204
    assert api.post("/api/v1/collections/notes/search", json={"query": "x"}).status_code == 404


def test_metrics_count_requests(api: httpx.Client) -> None:
    text = api.get("/metrics").text
    assert "embedding_studio_requests_total" in text
    assert "embedding_studio_sessions_lost_total 0.0" in text
