"""What the API accepted is there in the end, whatever was killed in between.

`CHAOS_KILLS` and `CHAOS_SEED` say how many processes are killed, and when: `make chaos` runs the long form.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from e2e.storm import TARGETS, Storm
from embedding_studio.infra.embedded import free_port
from installation import is_ready, until

pytestmark = pytest.mark.e2e

KILLS = int(os.environ.get("CHAOS_KILLS", "5"))
SEED = int(os.environ.get("CHAOS_SEED", "1"))


def test_nothing_that_was_accepted_is_lost_whatever_is_killed(tmp_path: Path) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    quick = {"TASKS__LEASE": "4", "TASKS__SWEEP_EVERY": "1", "TASKS__RESEND_AFTER": "3"}
    clean = {name: value for name, value in os.environ.items() if not name.startswith("EMBEDDING_STUDIO_")}
    environment = clean | {f"EMBEDDING_STUDIO_{name}": value for name, value in quick.items()}
    command = [sys.executable, "-m", "embedding_studio", "up", "--data-dir", str(tmp_path), "--port", str(port)]
    with subprocess.Popen(command, env=environment) as up:
        try:
            until(lambda: is_ready(url, up))
            storm = Storm(url=url, up=up.pid, kills=KILLS, seed=SEED)
            started = time.monotonic()
            asyncio.run(storm.run())
            report(storm, time.monotonic() - started)
        finally:
            up.send_signal(signal.SIGINT)
            assert up.wait(180) == 0
    assert storm.wrong == []
    assert storm.kills.total() == KILLS
    assert len(TARGETS) > KILLS or set(storm.kills) == set(TARGETS)
    assert storm.searches["200"] > 10
    assert storm.reindexes["succeeded"] > 0


def report(storm: Storm, seconds: float) -> None:
    figures = {
        "seconds": round(seconds),
        "kills": storm.kills,
        "writes": storm.calls,
        "searches": storm.searches,
        "reindexes": storm.reindexes,
        "wrong": storm.wrong[:20],
    }
    print(json.dumps(figures, indent=2))  # noqa: T201  # `make chaos` shows it
