"""MongoDB on a loopback port: the documents of the embedded profile."""

import socket
from functools import partial
from pathlib import Path

from embedding_studio.infra.embedded.binaries import in_wheel, on_path, runnable
from embedding_studio.infra.embedded.children import Supervisor
from embedding_studio.infra.embedded.data_dir import wait_until_vacant
from embedding_studio.infra.embedded.ports import LOOPBACK, free_port
from embedding_studio.infra.embedded.server import Server

__all__ = ["start_mongo"]

_CACHE_GB = "0.25"
_CONNECT_DEADLINE_S = 1.0
_HINT = (
    "The program of the wheel needs libcurl 4, OpenSSL 3 and liblzma 5 (Debian, Ubuntu: apt-get install libcurl4); "
    "any other mongod on the PATH is preferred to it."
)


def start_mongo(supervisor: Supervisor, data_dir: Path) -> Server:
    """Start a stand-alone mongod, journal on, on `<data_dir>/mongo`.

    Raises:
        ConflictError: A mongod of an earlier run still works there.
        UnavailableError: There is no program that runs here.
    """
    program = runnable("MongoDB", (on_path("mongod"), in_wheel("fiftyone", "db/bin/mongod")), _HINT)
    folder, port = data_dir / "mongo", free_port()
    folder.mkdir(mode=0o700, exist_ok=True)
    child = supervisor.start(
        "mongo",
        [program, *_arguments(folder, port)],
        log=data_dir / "logs" / "mongo.log",
        cwd=folder,
        prepare=partial(wait_until_vacant, folder, program.name),
    )
    url = f"mongodb://{LOOPBACK}:{port}/embedding_studio?directConnection=true"
    return Server(child, url, lambda: _accepts(port))


def _arguments(folder: Path, port: int) -> list[str]:
    return [
        f"--dbpath={folder}",
        f"--bind_ip={LOOPBACK}",
        f"--port={port}",
        "--nounixsocket",
        "--quiet",
        f"--wiredTigerCacheSizeGB={_CACHE_GB}",
        "--setParameter=diagnosticDataCollectionEnabled=false",
    ]


def _accepts(port: int) -> bool:
    """Whether it listens; mongod does so last, when it is able to serve."""
    try:
        socket.create_connection((LOOPBACK, port), _CONNECT_DEADLINE_S).close()
    except OSError:
        return False
    return True
