"""Whatever is asked of the API, it answers as its document says, and never with an error of its own.

Schemathesis makes the requests from the document: right ones, wrong ones, and chains of them. `make fuzz` goes on for
longer, with a seed that differs from run to run.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from fuzzing import ONE_OF

from .conftest import running_up

pytestmark = pytest.mark.e2e

SECONDS = os.environ.get("FUZZ_SECONDS", "60")
SEED = os.environ.get("FUZZ_SEED", "1")
LEFT_OUT = (
    "positive_data_acceptance",  # what a plugin, a cursor or a time may be is more than a JSON Schema can say
    "ensure_resource_availability",  # a new collection has neither a shadow nor an experiment, and 404 says so
    "allow_header_conformance",  # Litestar answers OPTIONS with the methods that it knew of first
)
PLUGINS: dict[str, dict[str, Any]] = {
    "fuzzed-text": {"plugin": "text"},
    "fuzzed-vectors": {"plugin": "vectors", "options": {"dimensions": 3}},
    "fuzzed-shop": {"plugin": "shop"},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzzed")


@pytest.fixture(scope="module")
def api(folder: Path) -> Iterator[httpx.Client]:
    """An API of its own that wants keys, with three collections of items; who waits for a task waits a second."""
    with running_up(folder / "up", TASKS__WAIT_LIMIT=1, ACCESS__REQUIRED="true") as api:
        api.headers["Authorization"] = f"Bearer {make_key(folder / 'up')}"
        assert tuple(PLUGINS) == ONE_OF
        for name, options in PLUGINS.items():
            fill(api, name, options)
        yield api


def make_key(data_dir: Path) -> str:
    command = [sys.executable, "-m", "embedding_studio", "keys", "create", "--role", "admin", "--json"]
    made = subprocess.run([*command, "--data-dir", str(data_dir)], capture_output=True, text=True, check=True)
    return str(json.loads(made.stdout)["key"])


def fill(api: httpx.Client, name: str, options: dict[str, Any]) -> None:
    assert api.post("/api/v1/collections", json={"name": name, **options}).status_code == 201
    vector = {"vector": [1, 2, 3]} if options["plugin"] == "vectors" else {}
    for number in range(20):
        item = {"payload": {"title": f"red sofa {number}", "price": number, "tags": ["a", "b"]}, **vector}
        assert api.put(f"/api/v1/collections/{name}/items/{number}", json=item).status_code == 200


def test_the_api_is_as_its_document_says(api: httpx.Client, folder: Path) -> None:
    command = [sys.executable, "-m", "schemathesis.cli", "run", str(api.base_url.join("/schema/openapi.json"))]
    command += f"--max-time {SECONDS} --no-shrink --continue-on-failure --generation-database none".split()
    command += f"--checks all --exclude-checks {','.join(LEFT_OUT)} --request-timeout 40 --warnings off".split()
    command += ["--seed", SEED] if SEED else []
    command += ["--exclude-path-regex", "^/api/v1/keys/"]  # the run would end its own key
    command += ["--header", f"Authorization: {api.headers['Authorization']}"]
    hooks = {"SCHEMATHESIS_HOOKS": "fuzzing", "PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run(command, cwd=folder, env=os.environ | hooks, capture_output=True, text=True, check=False)
    sys.stdout.write(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in (folder / "up" / "logs" / "api.log").read_text()
    assert api.get("/api/v1/collections").status_code == 200
