"""Real counterparts of the loaders: an S3 server, a Google Cloud Storage emulator, MariaDB."""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from embedding_studio.infra.embedded import Supervisor
from embedding_studio.infra.embedded.ports import LOOPBACK, free_port
from services import S3Server, start_mariadb, start_s3, succeeds

_READY_S = 60.0
_KEY, _SECRET = "loader", "the-secret-of-s3"


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
    return start_s3(supervisor, folder, access_key=_KEY, secret_key=_SECRET)


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
    child.wait_until(succeeds(lambda: httpx.get(f"{url}/storage/v1/b/catalog").raise_for_status()), _READY_S)
    return url


@pytest.fixture(scope="session")
def mariadb(supervisor: Supervisor) -> Iterator[str]:
    """The URL of a database `shop`."""
    with start_mariadb(supervisor, database="shop", user="loader", password="the-secret-of-mariadb") as address:
        yield f"mysql://{address}"
