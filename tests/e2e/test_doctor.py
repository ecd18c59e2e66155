"""`embedding-studio doctor` beside a running `embedding-studio up`."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import httpx

from installation import until


def test_it_finds_the_servers_of_a_running_up(api: httpx.Client, data_dir: Path) -> None:
    until(lambda: api.get("/health/ready").status_code == 200)
    clean = {name: value for name, value in os.environ.items() if not name.startswith("EMBEDDING_STUDIO_")}
    command = [sys.executable, "-m", "embedding_studio", "doctor", "--json", "--data-dir", str(data_dir)]
    done = subprocess.run(command, env=clean, capture_output=True, text=True, timeout=120, check=False)
    report = json.loads(done.stdout)
    known = {one["name"] for one in api.get("/api/v1/collections?limit=1000").json()["items"]}
    assert {one["collection"] for one in report["collections"]} == known
    assert report["free_bytes"] > 0


def test_the_passwords_of_a_running_up_are_its_owners_alone(api: httpx.Client, data_dir: Path) -> None:
    assert api.get("/health/live").status_code == 200
    assert stat.S_IMODE((data_dir / "environment.json").stat().st_mode) == 0o600
