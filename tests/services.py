"""Servers that production has beside the embedded three: S3 and MariaDB."""

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import trustme
import urllib3
from minio import Minio

from embedding_studio.infra.embedded import Supervisor, free_port
from embedding_studio.infra.embedded.ports import LOOPBACK

__all__ = ["Certificates", "S3Server", "program", "start_mariadb", "start_s3", "succeeds"]

_READY_S = 60.0
_PATH = os.pathsep.join(("/usr/sbin", "/usr/bin", "/usr/local/sbin", os.environ.get("PATH", "")))
_WEED_PORTS = (
    *("master.port", "master.port.grpc", "volume.port", "volume.port.grpc"),
    *("filer.port", "filer.port.grpc", "s3.port", "s3.port.grpc"),
)


@dataclass(frozen=True, slots=True)
class Certificates:
    """Of a server on the loopback, by an authority that was made on the spot.

    Attributes:
        authority: File of the authority's certificate, which clients trust.
        chain: File of the server's certificate.
        key: File of the server's key.
        both: File of key and certificate together.
    """

    authority: Path
    chain: Path
    key: Path
    both: Path

    @classmethod
    def made_in(cls, folder: Path) -> "Certificates":
        authority = trustme.CA()
        server = authority.issue_cert(LOOPBACK, "localhost")
        made = cls(*(folder / name for name in ("ca.pem", "server.pem", "server.key", "server-both.pem")))
        authority.cert_pem.write_to_path(made.authority)
        server.cert_chain_pems[0].write_to_path(made.chain)
        server.private_key_pem.write_to_path(made.key)
        server.private_key_and_cert_chain_pem.write_to_path(made.both)
        return made


@dataclass(frozen=True, slots=True)
class S3Server:
    endpoint: str
    access_key: str
    secret_key: str = field(repr=False)
    client: Minio


def program(name: str) -> Path | None:
    """Where a program of the system is; a wheel's of the same name may be built with less."""
    found = shutil.which(name, path=_PATH)
    return Path(found) if found else None


def start_s3(
    supervisor: Supervisor, folder: Path, *, access_key: str, secret_key: str, tls: Certificates | None = None
) -> S3Server:
    """An S3 server on a folder, ready."""
    data = folder / "weed"
    data.mkdir()
    credentials = {"accessKey": access_key, "secretKey": secret_key}
    identity = {"name": "tests", "credentials": [credentials], "actions": ["Admin"]}
    (folder / "s3.json").write_text(json.dumps({"identities": [identity]}))
    ports = {name: free_port() for name in _WEED_PORTS}
    arguments: list[str | Path] = [
        Path(sys.executable).with_name("weed"),
        *("server", f"-dir={data}", f"-ip={LOOPBACK}", f"-ip.bind={LOOPBACK}", "-filer", "-s3"),
        *(
            "-volume.max=20",
            "-master.volumeSizeLimitMB=64",
            "-master.telemetry=false",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
        ),
        f"-s3.config={folder / 's3.json'}",
        *(f"-{name}={port}" for name, port in ports.items()),
        *((f"-s3.cert.file={tls.chain}", f"-s3.key.file={tls.key}") if tls else ()),
    ]
    child = supervisor.start("weed", arguments, log=folder / "logs" / "weed.log")
    endpoint = f"{LOOPBACK}:{ports['s3.port']}"
    pool = urllib3.PoolManager(ca_certs=str(tls.authority) if tls else None, retries=False)
    client = Minio(endpoint, access_key, secret_key, secure=tls is not None, region="us-east-1", http_client=pool)
    child.wait_until(succeeds(lambda: client.make_bucket("probe")), _READY_S)
    return S3Server(endpoint, access_key, secret_key, client)


@contextmanager
def start_mariadb(supervisor: Supervisor, *, database: str, user: str, password: str) -> Iterator[str]:
    """`user:password@host:port/database` of a MariaDB; where there is none, the test is skipped."""
    server, install = program("mariadbd"), program("mariadb-install-db")
    if server is None or install is None:
        pytest.skip("mariadbd is not installed (apt-get install mariadb-server)")
    with tempfile.TemporaryDirectory(prefix="embedding-studio-mariadb-") as name:
        folder = Path(name)
        as_root = ["--user=root"] if os.geteuid() == 0 else []
        data = f"--datadir={folder / 'data'}"
        supervisor.run(
            "mariadb-install-db",
            [install, "--no-defaults", data, *as_root, "--auth-root-authentication-method=normal", "--skip-test-db"],
            log=folder / "install.log",
        )
        (folder / "init.sql").write_text(
            f"CREATE DATABASE {database} CHARACTER SET utf8mb4;\n"
            f"CREATE USER {user}@localhost IDENTIFIED BY '{password}';\n"
            f"GRANT ALL ON {database}.* TO {user}@localhost;\n"
        )
        port = free_port()
        child = supervisor.start(
            "mariadb",
            [
                server,
                *("--no-defaults", data, *as_root, f"--port={port}", f"--bind-address={LOOPBACK}"),
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
        yield f"{user}:{password}@{LOOPBACK}:{port}/{database}"
        child.stop(20.0)


def succeeds(attempt: Callable[[], object]) -> Callable[[], bool]:
    """Whether an attempt at a server that is starting succeeds."""

    def succeeded() -> bool:
        try:
            attempt()
        except Exception:  # noqa: BLE001  # a server that is not ready fails in every way there is
            return False
        return True

    return succeeded
