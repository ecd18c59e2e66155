"""The restore drill: an installation in use is backed up, and another made of it answers as the first did."""

import json
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from embedding_studio.backup import read_manifest
from embedding_studio.infra.documents import known_documents
from embedding_studio.infra.migrations import known_revisions
from embedding_studio.kernel.ids import new_id
from installation import Installation, finished_task, until, until_done
from servers import embedded_servers
from small_encoder import COLORS, THINGS

from .shoppers import Shoppers

pytestmark = pytest.mark.e2e

API = "/api/v1"
SHOP, BUSY = f"{API}/collections/shop", f"{API}/collections/busy"
ROLES = ("finetune", "inference", "improve", "upsert")
QUERIES = [f"{color} {thing}" for color in COLORS[:4] for thing in THINGS[:4]]


@contextmanager
def at_work(installation: Installation) -> Iterator[httpx.Client]:
    """The API and a worker of each role."""
    with ExitStack() as stack:
        for role in ROLES:
            stack.enter_context(installation.running("worker", "--role", role))
        stack.enter_context(installation.serving())
        yield stack.enter_context(installation.client())


def fill(api: httpx.Client) -> None:
    items = [
        {"id": f"{color}-{thing}", "payload": {"title": f"{color} {thing}"}} for color in COLORS for thing in THINGS
    ]
    for name, path in (("shop", SHOP), ("busy", BUSY)):
        assert api.post(f"{API}/collections", json={"name": name, "plugin": "small"}).status_code == 201
        assert finished_task(api, api.post(f"{path}/items", json={"items": items}))["state"] == "succeeded"


def click(api: httpx.Client, query: str, user: str) -> None:
    """On the third result, which so becomes the first."""
    shown = api.post(f"{SHOP}/search", json={"query": query, "user_id": user}).json()
    event = {"event_id": new_id(), "session_id": shown["session_id"], "type": "click", "user_id": user}
    event["item_id"] = shown["results"][2]["id"]
    assert api.post(f"{API}/events", json={"events": [event]}).json()["accepted"] == 1


def learn(api: httpx.Client) -> int:
    """Clicks, a model trained by them and deployed, and a memory of them; returns the model's version."""
    for query in QUERIES:
        for user in range(4):
            click(api, query, f"u{user}")
    trained = finished_task(api, api.post(f"{SHOP}/fine-tuning", json={"track": "query_adapter"}))
    assert trained["state"] == "succeeded", trained
    version = int(trained["result"]["model_version"])
    deploy = api.post(f"{SHOP}/models/{version}/deploy", json={"force": True, "note": "a drill"})
    assert finished_task(api, deploy)["state"] == "succeeded"
    return version


def answers(api: httpx.Client) -> tuple[Any, ...]:
    """What was found for each query, by which version, and all the scores."""
    found = [
        api.post(f"{SHOP}/search", json={"query": query, "track": False, "limit": 10, "explain": True}).json()
        for query in (*QUERIES, "something else")
    ]
    items = [(one["model_version"], [hit["id"] for hit in one["results"]]) for one in found]
    return items, [hit["score"] for one in found for hit in one["results"]]


def nearly(seen: tuple[Any, ...]) -> tuple[Any, ...]:
    """The same but for a little in the scores, which come last: clicks grow old between two answers."""
    *said, scores = seen
    return (*said, pytest.approx(scores, abs=1e-4))


def calm(api: httpx.Client) -> tuple[Any, ...]:
    """What is remembered and answered, once nothing is left to be learned."""
    until(lambda: 'embedding_studio_memory_sessions_waiting{collection="shop"}' not in api.get("/metrics").text)
    seen: list[tuple[Any, ...]] = []

    def is_same() -> bool:
        seen.append((api.get(f"{SHOP}/memory").json(), *answers(api)))
        return len(seen) > 2 and seen[-2:] == [nearly(seen[-3])] * 2

    until(is_same)
    return seen[-1]


@pytest.fixture(scope="module")
def drill(tmp_path_factory: pytest.TempPathFactory, plugins: Path) -> dict[str, Any]:
    """What the first installation was like, and a backup of it that was taken under load."""
    folder = tmp_path_factory.mktemp("drill")
    settings: dict[str, object] = {"PLUGINS": plugins, "TASKS__LEASE": 8}
    with embedded_servers() as urls:
        first = Installation(urls, folder / "first", **settings)
        first.run("migrate")
        first.run("export")
        with at_work(first) as api:
            fill(api)
            version = learn(api)
            seen = calm(api)
            shoppers = Shoppers(
                first.url,
                "busy",
                query=lambda number: QUERIES[number % len(QUERIES)],
                item=lambda number: {"payload": {"title": f"new {number}"}},
            )
            with shoppers.running():
                until(lambda: shoppers.searches > 20 and len(shoppers.tasks) > 5)
                # Items first: the task of each is in the list before it.
                before = {"items": set(shoppers.items), "tasks": list(shoppers.tasks), "clicks": dict(shoppers.clicks)}
                said = first.run("backup", "--to", str(folder / "backup"), "--json")
                until(lambda: len(shoppers.tasks) > len(before["tasks"]) + 5)
            assert shoppers.failures == []
    return {
        "folder": folder,
        "settings": settings,
        "manifest": json.loads(said),
        "version": version,
        "seen": seen,
        **before,
    }


def test_an_installation_made_of_a_backup_answers_as_the_first_did(drill: dict[str, Any]) -> None:
    with embedded_servers() as urls:
        second = Installation(urls, drill["folder"] / "second", **drill["settings"])
        second.run("restore", "--from", str(drill["folder"] / "backup"))
        second.run("export")
        with at_work(second) as api:
            assert calm(api) == nearly(drill["seen"])
            check_work_goes_on(api, drill)
            check_events_are_joined(api, drill["clicks"])
            check_models(api, drill["version"])
        assert json.loads(second.run("doctor", "--json"))["ok"] is True
        refused = second.run("restore", "--from", str(drill["folder"] / "backup"), expect=1)
        assert refused == ""
        second.run("restore", "--from", str(drill["folder"] / "backup"), "--force")
        with second.serving(), second.client() as api:
            assert answers(api) == nearly(drill["seen"][1:])


def check_work_goes_on(api: httpx.Client, drill: dict[str, Any]) -> None:
    """What was accepted before the backup began is done, by it or now."""
    until_done(api, drill["tasks"])
    assert {api.get(f"{BUSY}/items/{one}").status_code for one in drill["items"]} == {200}


def check_events_are_joined(api: httpx.Client, clicks: dict[str, str]) -> None:
    for session, event in clicks.items():
        found = api.get(f"{API}/sessions/{session}")
        assert found.status_code == 200, session
        assert [one["event_id"] for one in found.json()["events"]] == [event]


def check_models(api: httpx.Client, version: int) -> None:
    """The trained model serves, the one before can be gone back to, and another can be trained."""
    states = {one["version"]: one["state"] for one in api.get(f"{SHOP}/models").json()["items"]}
    assert states[version] == "deployed"
    assert finished_task(api, api.post(f"{SHOP}/rollback"))["state"] == "succeeded"
    assert answers(api)[0][0][0] == 1
    trained = finished_task(api, api.post(f"{SHOP}/fine-tuning", json={"track": "query_adapter"}))
    assert trained["state"] == "succeeded", trained


def test_half_a_backup_and_a_damaged_one_are_refused(drill: dict[str, Any], tmp_path: Path) -> None:
    half, damaged = tmp_path / "half", tmp_path / "damaged"
    shutil.copytree(drill["folder"] / "backup", half)
    shutil.copytree(drill["folder"] / "backup", damaged)
    (half / "manifest.json").unlink()
    (damaged / "mongo" / "sessions.bson.gz").write_bytes(b"x")
    with embedded_servers() as urls:
        third = Installation(urls, tmp_path / "third", **drill["settings"])
        for folder in (half, damaged):
            third.run("restore", "--from", str(folder), expect=1)
        third.run("restore", "--from", str(drill["folder"] / "backup"))  # nothing was written


def test_a_backup_says_what_it_is_of(drill: dict[str, Any]) -> None:
    manifest = read_manifest(drill["folder"] / "backup")
    assert (manifest.revision, manifest.documents_revision) == (known_revisions()[-1], known_documents())


def test_a_backup_has_no_password_and_is_its_owners_alone(drill: dict[str, Any]) -> None:
    folder = drill["folder"] / "backup"
    assert folder.stat().st_mode & 0o077 == 0
    assert "postgresql://" not in (folder / "manifest.json").read_text()
