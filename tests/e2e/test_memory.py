"""A click, sent to the API, changes the next search by way of the improvement worker; what got lost is found again."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from installation import until

pytestmark = pytest.mark.e2e

TEA = "/api/v1/collections/teas"


@pytest.fixture(scope="module", autouse=True)
def _teas(api: httpx.Client, finished: Callable[[httpx.Response], dict[str, Any]]) -> None:
    assert api.post("/api/v1/collections", json={"name": "teas", "plugin": "text"}).status_code == 201
    items = [{"id": f"tea{n}", "payload": {"title": f"{kind} tea number {n}"}} for n, kind in enumerate(KINDS)]
    assert finished(api.post(f"{TEA}/items", json={"items": items}))["state"] == "succeeded"


KINDS = ["green", "black", "white", "oolong", "herbal", "mint", "ginger", "lemon", "rooibos", "jasmine"]


def memory_of(api: httpx.Client, user: str) -> dict[str, float]:
    body = {"query": "tea", "user_id": user, "track": False, "explain": True}
    found = api.post(f"{TEA}/search", json=body).json()["results"]
    return {one["id"]: one["explanation"]["memory"] for one in found if one["explanation"]["memory"]}


def test_a_click_changes_the_next_search_of_its_user_and_of_nobody_else(api: httpx.Client) -> None:
    shown = api.post(f"{TEA}/search", json={"query": "tea", "user_id": "ann"}).json()
    item = shown["results"][-1]["id"]
    event = {"event_id": "sip", "session_id": shown["session_id"], "item_id": item, "type": "click"}
    assert api.post("/api/v1/events", json={"events": [event]}).json()["accepted"] == 1
    until(lambda: memory_of(api, "ann").keys() == {item})
    assert memory_of(api, "bob") == {}
