"""An experiment between processes: the API divides searches, a worker reads them and ends it."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from installation import until

pytestmark = pytest.mark.e2e

WINE = "/api/v1/collections/wines"
ITEMS = [{"id": f"wine{n}", "payload": {"title": f"{kind} wine"}} for n, kind in enumerate(("red", "white", "rose"))]


def test_an_experiment_starts_within_a_moment_and_ends_by_itself(
    api: httpx.Client, finished: Callable[[httpx.Response], dict[str, Any]]
) -> None:
    assert api.post("/api/v1/collections", json={"name": "wines", "plugin": "text"}).status_code == 201
    assert finished(api.post(f"{WINE}/items", json={"items": ITEMS}))["state"] == "succeeded"
    wish = {
        "name": "words",
        "kind": "ab",
        "control": {"model_version": 1},
        "treatment": {"model_version": 1, "ranking": {"mode": "lexical"}},
        "stop": {"max_sessions": 21},
    }
    made = api.post(f"{WINE}/experiments", json=wish)
    assert (made.status_code, made.json()["state"]) == (201, "running")

    def variant(user: str) -> str | None:
        answer = api.post(f"{WINE}/search", json={"query": "red wine", "user_id": user})
        found: str | None = answer.json()["variant"]
        return found

    until(lambda: variant("ann") is not None)
    assert {variant(f"user{number}") for number in range(20)} == {"control", "treatment"}
    url = f"{WINE}/experiments/{made.json()['id']}"
    until(lambda: api.get(url).json()["state"] == "stopped")
    ended = api.get(url).json()
    assert ended["reason"].startswith("undecided after ")
    assert sum(one["sessions"] for one in ended["variants"]) >= 21
    until(lambda: variant("ann") is None)
