"""The servers as one: they start again on their data however they ended, and never outlive their parent."""

import asyncio
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import psutil
import pytest

from integration.infra.embedded.up import Start, read_all, start_parent, write_all

pytestmark = pytest.mark.integration

NOBODY = 65534


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all tests here: whatever a test did to the servers, the next one starts them on what is left."""
    return tmp_path_factory.mktemp("data")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stops_in_order_and_keeps_its_data(start: Start, folder: Path, number: signal.Signals) -> None:
    up = start(folder)
    write_all(up.urls, number.name)

    assert up.end(number) == (f"{number.name}\n", "")
    assert "database system is shut down" in (folder / "logs" / "postgres.log").read_text()

    again = start(folder)
    assert all(number.name in words for words in read_all(again.urls))


def test_a_second_start_sets_nothing_up_again(start: Start, folder: Path) -> None:
    start(folder).end(signal.SIGINT)
    said = (folder / "logs" / "postgres-setup.log").stat()

    start(folder)

    again = (folder / "logs" / "postgres-setup.log").stat()
    assert (again.st_ino, again.st_mtime_ns) == (said.st_ino, said.st_mtime_ns)


def test_a_killed_parent_leaves_no_process_and_no_damage(start: Start, folder: Path) -> None:
    up = start(folder)
    write_all(up.urls, "killed")

    up.end(signal.SIGKILL)

    assert all("killed" in words for words in read_all(start(folder).urls))


def test_a_busy_session_dies_with_the_parent(start: Start, folder: Path) -> None:
    up = start(folder)

    async def kill_parent_during_a_long_query() -> tuple[str, str]:
        busy, other = [await asyncpg.connect(up.urls.postgres, timeout=10) for _ in range(2)]
        query = asyncio.create_task(busy.fetchval("SELECT count(*) FROM generate_series(1, 1e12::bigint) AS number"))
        asked = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%1e12%' AND pid <> pg_backend_pid()"
        while not await other.fetchval(asked):
            pass
        up.below = psutil.Process(up.process.pid).children(recursive=True)
        said = up.end(signal.SIGKILL)
        with pytest.raises((asyncpg.PostgresError, ConnectionError)):
            await query
        other.terminate()
        return said

    assert asyncio.run(kill_parent_during_a_long_query()) == ("", "")


def test_stale_locks_of_a_crash_are_no_obstacle(start: Start, folder: Path) -> None:
    up = start(folder)
    write_all(up.urls, "crashed")
    up.kill_all()
    assert (folder / "mongo" / "mongod.lock").read_text()
    with (folder / "redis" / "appendonly.aof").open("ab") as log:
        log.write(b"*3\r\n$4\r\nSADD\r\n$5\r\nwo")
    lock = folder / "postgres" / "postmaster.pid"
    with stranger(lock.stat().st_uid) as pid:
        lock.write_text("\n".join([str(pid), *lock.read_text().splitlines()[1:]]))
        assert all("crashed" in words for words in read_all(start(folder).urls))


@contextmanager
def stranger(user: int) -> Iterator[int]:
    """A living process that has nothing to do with the servers."""
    with subprocess.Popen(["/bin/sleep", "600"], user=user) as process:
        try:
            yield process.pid
        finally:
            process.kill()


def test_a_second_run_on_the_folder_is_refused(start: Start, folder: Path) -> None:
    first = start(folder)

    with start_parent(folder) as second:
        _, complaint = second.communicate(timeout=60)

    assert (second.returncode, complaint) == (
        1,
        f"{folder} is in use by process {first.process.pid}; stop it or choose another folder\n",
    )
    write_all(first.urls, "unharmed")


@pytest.mark.parametrize("program", ["postgres", "mongod", "redis-server"])
def test_a_server_that_dies_is_started_again_on_its_data(start: Start, folder: Path, program: str) -> None:
    up = start(folder)
    write_all(up.urls, f"before {program}")

    up.below_named(program).kill()
    up.wait_for_another(program)

    assert all(f"before {program}" in words for words in read_all(up.urls))
    _, said = up.end(signal.SIGINT)
    assert "was ended by SIGKILL; starting it again" in said


@pytest.mark.skipif(os.geteuid() != 0, reason="every other test here has run as an ordinary user already")
def test_an_ordinary_user_needs_no_root(start: Start, open_folder: Path) -> None:
    up = start(open_folder / "data", NOBODY, durable=False)

    write_all(up.urls, "ours")

    assert all("ours" in words for words in read_all(up.urls))
    assert up.users_below() == {"nobody"}
    assert up.end(signal.SIGINT) == ("SIGINT\n", "")
