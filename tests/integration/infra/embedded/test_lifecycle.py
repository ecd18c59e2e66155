"""The servers as one: they start again on their data however they ended, and never outlive their parent."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import asyncpg
import psutil
import pytest

from embedding_studio.infra.embedded import ServerUrls
from integration.infra.embedded.up import Start, read_all, start_parent, write_all

pytestmark = pytest.mark.integration

NOBODY = 65534


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stops_in_order_and_keeps_its_data(start: Start, tmp_path: Path, number: signal.Signals) -> None:
    up = start(tmp_path)
    write_all(up.urls, "first")

    assert up.end(number) == (f"{number.name}\n", "")
    assert "database system is shut down" in (tmp_path / "logs" / "postgres.log").read_text()

    again = start(tmp_path)
    write_all(again.urls, "second")
    assert read_all(again.urls) == (["first", "second"],) * 3


def test_a_second_start_takes_less_than_eight_seconds(start: Start, tmp_path: Path) -> None:
    start(tmp_path).end(signal.SIGINT)
    began = time.monotonic()

    start(tmp_path)

    assert time.monotonic() - began < 8


def test_a_killed_parent_leaves_no_process_and_no_damage(start: Start, tmp_path: Path) -> None:
    up = start(tmp_path)
    write_all(up.urls, "kept")

    up.end(signal.SIGKILL)

    assert read_all(start(tmp_path).urls) == (["kept"],) * 3


def test_a_busy_session_dies_with_the_parent(start: Start, tmp_path: Path) -> None:
    up = start(tmp_path)

    async def kill_parent_during_a_long_query() -> tuple[str, str]:
        busy, other = [await asyncpg.connect(up.urls.postgres, timeout=10) for _ in range(2)]
        query = asyncio.create_task(busy.fetchval("SELECT count(*) FROM generate_series(1, 1e12::bigint) AS number"))
        while not await other.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%1e12%' AND pid <> pg_backend_pid()"
        ):
            await asyncio.sleep(0)
        up.below = psutil.Process(up.process.pid).children(recursive=True)
        said = up.end(signal.SIGKILL)
        with pytest.raises((asyncpg.PostgresError, ConnectionError)):
            await query
        other.terminate()
        return said

    assert asyncio.run(kill_parent_during_a_long_query()) == ("", "")


def test_stale_locks_of_a_crash_are_no_obstacle(start: Start, tmp_path: Path) -> None:
    up = start(tmp_path)
    write_all(up.urls, "kept")
    up.kill_all()
    assert (tmp_path / "mongo" / "mongod.lock").read_text()
    with (tmp_path / "redis" / "appendonly.aof").open("ab") as log:
        log.write(b"*3\r\n$4\r\nSADD\r\n$5\r\nwo")
    lock = tmp_path / "postgres" / "postmaster.pid"
    with subprocess.Popen(["/bin/sleep", "600"], user=lock.stat().st_uid) as stranger:
        lines = lock.read_text().splitlines()
        lock.write_text("\n".join([str(stranger.pid), *lines[1:]]))
        assert read_all(start(tmp_path).urls) == (["kept"],) * 3
        stranger.kill()


def test_a_second_run_on_the_folder_is_refused(start: Start, tmp_path: Path) -> None:
    first = start(tmp_path)

    with start_parent(tmp_path) as second:
        _, complaint = second.communicate(timeout=60)

    assert (second.returncode, complaint) == (
        1,
        f"{tmp_path} is in use by process {first.process.pid}; stop it or choose another folder\n",
    )
    write_all(first.urls, "unharmed")


@pytest.mark.parametrize(
    ("program", "name", "last"),
    [
        ("postgres", "postgres", "database system is ready"),
        ("mongod", "mongo", "Waiting for"),
        ("redis-server", "redis", "Ready to"),
    ],
)
def test_a_server_that_dies_is_named_with_its_last_words(
    start: Start, tmp_path: Path, program: str, name: str, last: str
) -> None:
    up = start(tmp_path)
    server = up.below_named(program)

    server.kill()
    _, complaint = up.wait()

    assert complaint.startswith(f"{name} (process {server.pid}) was ended by SIGKILL\nlast lines of {tmp_path}/logs/")
    assert last in complaint


@pytest.mark.skipif(os.geteuid() != 0, reason="every other test here has run as an ordinary user already")
def test_an_ordinary_user_needs_no_root(open_folder: Path) -> None:
    interpreter = interpreter_for_nobody()
    sites = [path for path in sys.path if "site-packages" in path or path.endswith("src")]

    with start_parent(open_folder / "data", interpreter, *sites, user=NOBODY) as process:
        assert process.stdout
        urls = ServerUrls(**json.loads(process.stdout.readline()))
        write_all(urls, "nobody's")
        assert read_all(urls) == (["nobody's"],) * 3
        owners = {child.username() for child in psutil.Process(process.pid).children(recursive=True)}
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=60) == ("SIGINT\n", "")

    assert owners == {"nobody"}


def interpreter_for_nobody() -> str:
    """This interpreter, or one of the system's of the same version if this one lies in a folder closed to others."""
    system = shutil.which(f"python3.{sys.version_info.minor}", path="/usr/bin:/usr/local/bin")
    for interpreter in (sys.executable, system):
        if (
            interpreter
            and subprocess.run(
                ["/usr/bin/test", "-r", os.path.realpath(interpreter)], user=NOBODY, check=False
            ).returncode
            == 0
        ):
            return interpreter
    pytest.skip(f"no Python 3.{sys.version_info.minor} that the user nobody may run")
