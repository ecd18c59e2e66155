"""A worker that dies while it trains an encoder."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from installation import until
from processes import is_gone
from small_encoder import COLORS, NAMES, THINGS

pytestmark = pytest.mark.e2e

SHOP = "/api/v1/collections/furniture"
LONG = {"epochs": 30, "learning_rate": 3e-3, "batch_size": 4, "evaluations": 1, "patience": 1000}


@pytest.fixture(scope="module", autouse=True)
def _shop(api: httpx.Client, finished: Callable[[httpx.Response], dict[str, Any]]) -> None:
    """A shop whose three users always click the first two of a thing's colors, whatever they are called."""
    assert api.post("/api/v1/collections", json={"name": "furniture", "plugin": "small"}).status_code == 201
    named = [(color, thing) for thing in THINGS for color in COLORS]
    items = [{"id": f"{color}-{thing}", "payload": {"title": f"{color} {thing}"}} for color, thing in named]
    assert finished(api.post(f"{SHOP}/items", json={"items": items}))["state"] == "succeeded"
    pairs = list(zip(NAMES, THINGS, strict=True))
    clicks = [
        click
        for word in ("a", "my", "red")
        for called, thing in pairs
        for user in ("ann", "bob", "cem")
        for click in clicks_of(api, f"{word} {called}", thing, user)
    ]
    assert api.post("/api/v1/events", json={"events": clicks}).json()["accepted"] == len(clicks)


def clicks_of(api: httpx.Client, query: str, thing: str, user: str) -> list[dict[str, str]]:
    shown = api.post(f"{SHOP}/search", json={"query": {"text": query}, "user_id": user, "limit": 32, "mode": "vector"})
    session = shown.json()["session_id"]
    return [
        {"event_id": f"{session}-{color}", "session_id": session, "item_id": f"{color}-{thing}", "type": "click"}
        for color in COLORS[:2]
    ]


def test_its_training_ends_with_it_and_another_goes_on_from_the_last_checkpoint(
    api: httpx.Client, finished: Callable[[httpx.Response], dict[str, Any]], data_dir: Path
) -> None:
    answer = api.post(f"{SHOP}/fine-tuning", json={"track": "query_encoder", "params": LONG})
    folder = data_dir / "training" / answer.json()["task_id"]
    saved: set[int] = set()

    def is_saved() -> bool:
        saved.update(checkpoints(folder))
        return bool(saved)

    until(is_saved)
    worker = the_worker()
    started = worker.children(recursive=True)
    assert any("embedding_studio.ml.train" in line_of(one) for one in started)

    worker.kill()
    until(lambda: all(map(is_gone, started)))
    assert not list(folder.glob("*/run/result.json"))

    task = finished(answer)
    assert (task["state"], task["error"], task["attempts"]) == ("succeeded", None, 2)
    (tried,) = task["result"]["tried"]
    assert tried["resumed_from"] >= max(saved)
    assert task["result"]["model_version"] == 2
    assert not folder.exists()
    until(lambda: not the_worker().children())


def checkpoints(folder: Path) -> list[int]:
    """The steps of those that are whole."""
    return [int(path.parent.name.rpartition("-")[2]) for path in folder.glob("*/run/checkpoints/*/complete")]


def the_worker() -> psutil.Process:
    """The one that trains."""
    (worker,) = [one for one in psutil.Process().children(recursive=True) if line_of(one)[-1:] == ["finetune"]]
    return worker


def line_of(process: psutil.Process) -> list[str]:
    """What it was started with; nothing of one that is gone, as servers' processes come and go."""
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []
