"""Real counterparts of the loaders: an S3 server, a Google Cloud Storage emulator, MariaDB."""

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from minio import Minio

from embedding_studio.infra.embedded import Supervisor
from embedding_studio.infra.embedded.ports import LOOPBACK, free_port

_READY_S = 60.0
_KEY, _SECRET = "loader", "the-secret-of-s3"


@dataclass(frozen=True, slots=True)
class S3Server:
    endpoint: str
    client: Minio


@pytest.fixture(scope="session")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="embedding-studio-loaders-") as name:
        yield Path(name)


@pytest.fixture(scope="session")
def supervisor() -> Iterator[Supervisor]:
    with Supervisor(stop_deadline_s=1.0) as supervisor:
        yield supervisor


@pytest.fixture(scope="session")
def s3(folder: Path, supervisor: Supervisor) -> S3Server:
    data = folder / "weed"
    data.mkdir()
    identity = {"name": "loader", "credentials": [{"accessKey": _KEY, "secretKey": _SECRET}], "actions": ["Admin"]}
    (folder / "s3.json").write_text(json.dumps({"identities": [identity]}))
    ports = {name: free_port() for name in _WEED_PORTS}
    child = supervisor.start(
        "weed",
        [
            Path(sys.executable).with_name("weed"),
            *("server", f"-dir={data}", f"-ip={LOOPBACK}", f"-ip.bind={LOOPBACK}", "-filer", "-s3"),
            *("-volume.max=20", "-master.volumeSizeLimitMB=64", "-master.telemetry=false", "-s3.port.iceberg=0"),
            f"-s3.config={folder / 's3.json'}",
            *(f"-{name}={port}" for name, port in ports.items()),
        ],
        log=folder / "logs" / "weed.log",
    )
    endpoint = f"{LOOPBACK}:{ports['s3.port']}"
    client = Minio(endpoint, _KEY, _SECRET, secure=False, region="us-east-1")
    child.wait_until(_done(lambda: client.make_bucket("probe")), _READY_S)
    return S3Server(endpoint, client)


_WEED_PORTS = (
    *("master.port", "master.port.grpc", "volume.port", "volume.port.grpc"),
    *("filer.port", "filer.port.grpc", "s3.port", "s3.port.grpc"),
)


@pytest.fixture
def s3_credentials(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", _KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", _SECRET)
    return _SECRET


@pytest.fixture(scope="session")
def gcs(folder: Path, supervisor: Supervisor) -> str:
    """The emulator's URL; it has the bucket `catalog`."""
    port = free_port()
    child = supervisor.start(
        "gcs",
        [
            *(sys.executable, "-m", "gcp_storage_emulator", "start", "--host", LOOPBACK, "--port", str(port)),
            *("--in-memory", "--default-bucket", "catalog", "--quiet"),
        ],
        log=folder / "logs" / "gcs.log",
    )
    url = f"http://{LOOPBACK}:{port}"
    child.wait_until(_done(lambda: httpx.get(f"{url}/storage/v1/b/catalog").raise_for_status()), _READY_S)
    return url


@pytest.fixture(scope="session")
def mariadb(supervisor: Supervisor) -> Iterator[str]:
    """The URL of a database `shop`."""
    program, install = shutil.which("mariadbd", path=_PATH), shutil.which("mariadb-install-db", path=_PATH)
    if program is None or install is None:
        pytest.skip("mariadbd is not installed (apt-get install mariadb-server)")
    with _database_folder() as folder:
        as_root = ["--user=root"] if os.geteuid() == 0 else []
        data = f"--datadir={folder / 'data'}"
        supervisor.run(
            "mariadb-install-db",
            [install, "--no-defaults", data, *as_root, "--auth-root-authentication-method=normal", "--skip-test-db"],
            log=folder / "install.log",
        )
        (folder / "init.sql").write_text(
            "CREATE DATABASE shop CHARACTER SET utf8mb4;\n"
            "CREATE USER loader@localhost IDENTIFIED BY 'the-secret-of-mariadb';\n"
            "GRANT ALL ON shop.* TO loader@localhost;\n"
        )
        port = free_port()
        child = supervisor.start(
            "mariadb",
            [
                *(program, "--no-defaults", data, *as_root, f"--port={port}", f"--bind-address={LOOPBACK}"),
                *(
                    f"--socket={folder / 'socket'}",
                    f"--init-file={folder / 'init.sql'}",
                    f"--pid-file={folder / 'pid'}",
                ),
                *("--innodb-buffer-pool-size=32M", "--innodb-flush-log-at-trx-commit=0", "--skip-log-bin"),
            ],
            log=folder / "mariadb.log",
        )
        child.wait_until(lambda: "ready for connections" in child.log.read_text(), _READY_S)
        yield f"mysql://loader:the-secret-of-mariadb@{LOOPBACK}:{port}/shop"
        child.stop(20.0)


_PATH = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"))


@contextmanager
def _database_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="embedding-studio-mariadb-") as name:
        yield Path(name)


def _done(attempt: Callable[[], object]) -> Callable[[], bool]:
    """Whether an attempt at a server that is starting succeeds."""

    def succeeds() -> bool:
        try:
            attempt()
        except Exception:  # noqa: BLE001  # a server that is not ready fails in every way there is
            return False
        return True

    return succeeds
