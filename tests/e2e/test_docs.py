"""Every example of the README and the guides is run, a page at a time, as by a person who reads from top to bottom."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from documentation import PAGES, Block, answers, blocks_of, differences, last_json, script_of, story_of
from embedding_studio.infra.shipped import shipped
from installation import finished_task

from .conftest import running_up

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(not (shutil.which("curl") and shutil.which("jq")), reason="the examples use curl and jq"),
]

_ADDRESSES = ("127.0.0.1:8400", "localhost:8400")
_COMMAND = """#!/bin/bash
case $1 in ingest|simulate) set -- "$@" --url "${API%/api/v1}" ;; esac
exec {python} -m embedding_studio "$@"
"""
STORIES = [page for page in PAGES if any(block.is_run for block in blocks_of(page))]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which a reader works: with the plugins, those of the guides too, and the command."""
    desk = tmp_path_factory.mktemp("desk")
    shutil.copytree(shipped("plugins"), desk / "plugins")
    for block in (block for page in PAGES for block in blocks_of(page)):
        if block.language == "python" and block.use.startswith("plugins/"):
            (desk / block.use).write_text(block.text)
    command = desk / "bin" / "embedding-studio"
    command.parent.mkdir()
    command.write_text(_COMMAND.replace("{python}", sys.executable))
    command.chmod(0o755)
    return desk


@pytest.fixture(scope="module")
def studio(desk: Path) -> Iterator[httpx.Client]:
    settings = {"PLUGINS": desk / "plugins", "LOG__AS_JSON": "true"}
    with running_up(desk / "data", cwd=desk, **settings) as client:
        # The workers are at work too: an example that waits for its task does so for half a minute.
        assert client.post("/api/v1/collections", json={"name": "first", "plugin": "text"}).status_code == 201
        items = {"items": [{"id": "1", "payload": {"title": "a lamp"}}]}
        assert finished_task(client, client.post("/api/v1/collections/first/items", json=items))["state"] == "succeeded"
        yield client


@pytest.fixture
def empty(studio: httpx.Client) -> httpx.Client:
    """The API without any collection: pages may use the same names."""
    for one in studio.get("/api/v1/collections").json()["items"]:
        assert studio.delete(f"/api/v1/collections/{one['name']}").status_code == 204
    return studio


@pytest.mark.parametrize("page", STORIES, ids=lambda page: page.name)
def test_the_examples_of_a_page_run(page: Path, desk: Path, empty: httpx.Client) -> None:
    blocks = story_of(page)
    printed = run(script_of(blocks), desk, empty)
    asked = [number for number, block in enumerate(blocks) if block.language == "json"]
    wrong = {str(blocks[number]): wrong_in(blocks, number, printed, desk, empty) for number in asked}
    assert {place: found for place, found in wrong.items() if found} == {}


def run(script: str, desk: Path, api: httpx.Client) -> dict[int, str]:
    """Run a page's script where the reader works; returns what each block printed."""
    address = str(api.base_url).removeprefix("http://").rstrip("/")
    for shown in _ADDRESSES:
        script = script.replace(shown, address)
    settings = json.loads((desk / "data" / "environment.json").read_text())
    path = f"{desk / 'bin'}:{os.environ['PATH']}"
    env = os.environ | settings | {"PATH": path, "API": f"http://{address}/api/v1"}
    done = subprocess.run(
        ["bash", "-c", script], cwd=desk, env=env, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, f"{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return answers(done.stdout)


def wrong_in(blocks: list[Block], number: int, printed: dict[int, str], desk: Path, api: httpx.Client) -> list[str]:
    """What a block of JSON shows and is not so."""
    block = blocks[number]
    shown = json.loads(block.text)
    if block.use == "filter":
        answer = api.post("/api/v1/collections/shop/count", json={"filter": shown})
        return [] if answer.is_success else [answer.text]
    if block.use == "log":
        return [] if any(not differences(shown, line) for line in lines_of(desk)) else ["no line of a log is like it"]
    before = max(one for one in printed if one < number)
    return differences(shown, last_json(printed[before]))


def lines_of(desk: Path) -> Iterator[object]:
    """What was logged as JSON; of a line that is being written, nothing."""
    for log in sorted((desk / "data" / "logs").glob("*.log")):
        *lines, _ = log.read_text(errors="replace").split("\n")
        yield from (json.loads(line) for line in lines if line.startswith("{"))
