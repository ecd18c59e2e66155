"""What is exported can be sent again, and is then what it was."""

import asyncio
import io
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from embedding_studio.clickstream import Span
from embedding_studio.export import read_span, write_sessions
from embedding_studio.kernel.errors import InvalidError
from embedding_studio.kernel.ids import new_id
from embedding_studio.settings import Settings
from studio import Studio

pytestmark = pytest.mark.anyio


@pytest.fixture
async def name(studio: Studio, any_name: str) -> AsyncIterator[str]:
    await studio.create(any_name, "vectors", options={"dimensions": 2})
    await studio.add(any_name, [{"id": f"i{n}", "payload": {"title": f"item {n}"}, "vector": [1, n]} for n in range(3)])
    yield any_name
    await studio.client.delete(f"/api/v1/collections/{any_name}")


async def use(studio: Studio, name: str) -> list[str]:
    """Searches of every kind, the last of them a second page, one irrelevant, two with events; oldest first."""
    asked: list[dict[str, Any]] = [
        {"query": "item", "user_id": "ann", "meta": {"page": {"a": [1, None]}}},
        {"query": {"vector": [0.1, -2.5]}, "limit": 2},
        {"filter": {"field": "title", "exists": True}},
        {"query": {"item_id": "i1"}},
    ]
    page = await studio.search(name, query="item", limit=1, track=False)
    asked.append({"query": "item", "limit": 1, "cursor": page["next_cursor"]})
    sessions = [(await studio.search(name, **one))["session_id"] for one in asked]
    at = datetime.now(UTC).isoformat()
    events = [
        {"event_id": new_id(), "session_id": session, "item_id": "i1", "type": "dwell", "value": 1.5, "meta": {"a": 1}}
        for session in sessions[:2]
    ]
    events[0] |= {"timestamp": at, "user_id": "bob"}
    assert (await studio.client.post("/api/v1/events", json={"events": events})).json()["accepted"] == 2
    await studio.client.post(f"/api/v1/sessions/{sessions[1]}/irrelevant")
    return sessions


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def export(studio: Studio, name: str, output: Path, span: Span | None = None) -> list[dict[str, Any]]:
    watch = Console(file=io.StringIO())
    repository = studio.container._clickstream_repository
    written = await write_sessions(repository, name, span or Span(), output=output, console=watch)
    lines = lines_of(output)
    assert written == len(lines)
    assert names_in(output.parent) == [output.name]
    return lines


async def view(studio: Studio, session: str) -> dict[str, Any]:
    return dict((await studio.client.get(f"/api/v1/sessions/{session}")).json())


async def send_again(studio: Studio, name: str, line: dict[str, Any]) -> int:
    made = await studio.client.post(f"/api/v1/collections/{name}/sessions", json=line["session"])
    if line["events"]:
        answer = await studio.client.post("/api/v1/events", json={"events": line["events"]})
        assert answer.json()["rejected"] == []
    if line["irrelevant"]:
        await studio.client.post(f"/api/v1/sessions/{line['session']['session_id']}/irrelevant")
    return made.status_code


async def test_what_was_lost_is_made_again_from_an_export(studio: Studio, name: str, tmp_path: Path) -> None:
    sessions = await use(studio, name)
    before = [await view(studio, session) for session in sessions]
    lines = await export(studio, name, tmp_path / "sessions.jsonl")
    assert [line["session"]["session_id"] for line in lines] == sessions
    assert [(line["collection"], line["irrelevant"], len(line["events"])) for line in lines] == [
        (name, False, 1),
        (name, True, 1),
        *[(name, False, 0)] * 3,
    ]
    assert [await send_again(studio, name, line) for line in lines] == [200] * 5
    for documents in ("sessions", "events"):
        await studio.container.database[documents].delete_many({"collection": name})
    assert [await send_again(studio, name, line) for line in lines] == [201] * 5
    assert [await view(studio, session) for session in sessions] == before
    assert await export(studio, name, tmp_path / "sessions.jsonl") == lines


async def test_what_processors_made_of_the_words_comes_back(studio: Studio, any_name: str, tmp_path: Path) -> None:
    await studio.create(any_name, "shop")
    session = (await studio.search(any_name, query="sofa under 500", mode="lexical"))["session_id"]
    before = await view(studio, session)
    [line] = await export(studio, any_name, tmp_path / "sessions.jsonl")
    query = line["session"]["query"]
    assert (query["text"], query["searched"]) == ("sofa under 500", "sofa")
    await studio.container.database["sessions"].delete_many({"collection": any_name})
    assert await send_again(studio, any_name, line) == 201
    assert await view(studio, session) == before
    await studio.client.delete(f"/api/v1/collections/{any_name}")


async def test_a_span_is_exported_batch_by_batch(
    studio: Studio, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("embedding_studio.clickstream.repository._SESSIONS_PER_BATCH", 3)
    for number in range(10):
        body = {
            "session_id": f"{name}-{number}",
            "query": "a",
            "results": [],
            "timestamp": f"2026-01-0{1 + number // 4}T00:00:00Z",
        }
        assert (await studio.client.post(f"/api/v1/collections/{name}/sessions", json=body)).status_code == 201
    lines = await export(studio, name, tmp_path / "all.jsonl")
    assert [line["session"]["session_id"] for line in lines] == [f"{name}-{number}" for number in range(10)]
    (tmp_path / "all.jsonl").unlink()
    span = read_span("2026-01-02T00:00:00Z", "2026-01-03T00:00:00Z")
    lines = await export(studio, name, tmp_path / "day.jsonl", span)
    assert [line["session"]["session_id"] for line in lines] == [f"{name}-{number}" for number in range(4, 8)]


def command(settings: Settings, *words: str) -> subprocess.CompletedProcess[str]:
    groups = {
        "POSTGRES__DSN": settings.postgres.dsn,
        "MONGO__URL": settings.mongo.url,
        "REDIS__URL": settings.redis.url,
    }
    ours = {f"EMBEDDING_STUDIO_{name}": secret.get_secret_value() for name, secret in groups.items()}
    line = [sys.executable, "-m", "embedding_studio", "export", "sessions", *words]
    return subprocess.run(line, env=os.environ | ours, capture_output=True, text=True, timeout=120, check=False)


async def test_the_command_writes_to_standard_output(studio: Studio, name: str) -> None:
    sessions = await use(studio, name)
    settings = studio.container.settings
    done = await asyncio.to_thread(command, settings, name, "--since", "2020-01-01T00:00:00Z")
    assert done.returncode == 0, done.stderr
    assert [json.loads(line)["session"]["session_id"] for line in done.stdout.splitlines()] == sessions
    assert "5 sessions" in done.stderr


async def test_an_unknown_collection_is_told_and_writes_nothing(studio: Studio, tmp_path: Path) -> None:
    output = str(tmp_path / "sessions.jsonl")
    done = await asyncio.to_thread(command, studio.container.settings, "nothing", "--output", output)
    assert (done.returncode, done.stdout) == (1, "")
    assert "nothing" in done.stderr
    assert names_in(tmp_path) == []


@pytest.mark.parametrize(("since", "until", "place"), [("today", None, "--since"), (None, "2026", "--until")])
async def test_a_span_that_is_none_is_refused(since: str | None, until: str | None, place: str) -> None:
    with pytest.raises(InvalidError, match=f"^{place}: "):
        read_span(since, until)


async def test_what_an_experiment_counts_comes_back_too(studio: Studio, name: str, tmp_path: Path) -> None:
    url = f"/api/v1/collections/{name}/experiments"
    arm = {"model_version": 1}
    wish = {"name": "a", "kind": "interleaving", "control": arm, "treatment": arm, "unit": "session"}
    made = (await studio.client.post(url, json=wish)).json()
    studio.container.trials._seen.clear()
    found = await studio.search(name, query={"vector": [1, 1]}, limit=2)
    event = {"session_id": found["session_id"], "item_id": found["results"][0]["id"], "type": "click"}
    await studio.client.post("/api/v1/events", json={"events": [{"event_id": new_id(), **event}]})
    before = (await studio.client.get(f"{url}/{made['id']}")).json()
    assert sum(one["clicks"] for one in before["variants"]) == 1
    (line,) = await export(studio, name, tmp_path / "sessions.jsonl")
    for documents in ("sessions", "events"):
        await studio.container.database[documents].delete_many({"collection": name})
    assert await send_again(studio, name, line) == 201
    assert (await studio.client.get(f"{url}/{made['id']}")).json() == before
