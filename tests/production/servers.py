"""Servers as production has them: passwords, TLS by an authority of its own, a replica set, a log of trainings."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from pymongo import MongoClient

from embedding_studio.infra.embedded import Child, Supervisor, free_port
from embedding_studio.infra.embedded.binaries import in_wheel, on_path, runnable
from embedding_studio.infra.embedded.ports import LOOPBACK
from embedding_studio.infra.embedded.postgres import start_postgres
from services import Certificates, S3Server, program, start_mariadb, succeeds

__all__ = [
    "MLFLOW",
    "MlflowServer",
    "MongoSet",
    "start_mlflow",
    "start_mongo",
    "start_postgres_with_tls",
    "start_redis",
]

MLFLOW = Path(os.environ.get("MLFLOW_ENVIRONMENT", Path(__file__).parents[2] / ".mlflow"))
"""A virtual environment with what `config/mlflow/requirements.txt` names."""

_READY_S = 120.0
_BUCKET = "mlflow"


@dataclass(frozen=True, slots=True)
class MlflowServer:
    """Attributes: database: `user:password@host:port/database` of its MariaDB; bucket: of its artifacts."""

    url: str
    user: str
    password: str = field(repr=False)
    database: str = field(repr=False)
    bucket: str


def start_postgres_with_tls(supervisor: Supervisor, folder: Path, tls: Certificates) -> str:
    """The DSN of the wheel's PostgreSQL, which was built without TLS, behind stunnel, which speaks it in its place."""
    plain = start_postgres(supervisor, folder, durable=False).url_when_ready()
    login, _, place = plain.removeprefix("postgresql://").rpartition("@")
    inner, _, database = place.partition("/")
    port = free_port()
    settings = {"accept": f"{LOOPBACK}:{port}", "connect": inner, "cert": tls.both, "protocol": "pgsql"}
    lines = ["foreground = yes", "pid =", "[postgres]", *(f"{name} = {value}" for name, value in settings.items())]
    configuration = folder / "stunnel.conf"
    configuration.write_text("\n".join(lines) + "\n")
    child = supervisor.start("stunnel", [program("stunnel") or "", configuration], log=folder / "logs" / "stunnel.log")
    child.wait_until(lambda: "Configuration successful" in child.log.read_text(), _READY_S)
    return f"postgresql://{login}@{LOOPBACK}:{port}/{database}?sslmode=verify-full&sslrootcert={tls.authority}"


@dataclass(frozen=True, slots=True)
class MongoSet:
    """Attributes: url: for a user who may read and write one database, and nothing else; owner: for one who may all."""

    url: str = field(repr=False)
    owner: str = field(repr=False)


def start_mongo(supervisor: Supervisor, folder: Path, tls: Certificates) -> MongoSet:
    """A replica set of one, with TLS and users."""
    server = runnable("MongoDB", (on_path("mongod"), in_wheel("fiftyone", "db/bin/mongod")))
    data, key, port = folder / "mongo", folder / "mongo.key", free_port()
    data.mkdir()
    key.write_text(secrets.token_hex(48))
    key.chmod(0o400)
    child = supervisor.start(
        "mongo",
        [
            *(server, f"--dbpath={data}", f"--bind_ip={LOOPBACK}", f"--port={port}", "--nounixsocket", "--quiet"),
            *("--replSet=studio", f"--keyFile={key}", "--wiredTigerCacheSizeGB=0.25"),
            *("--tlsMode=requireTLS", f"--tlsCertificateKeyFile={tls.both}", f"--tlsCAFile={tls.authority}"),
            "--tlsAllowConnectionsWithoutCertificates",
        ],
        log=folder / "logs" / "mongo.log",
        cwd=data,
    )
    place, trust = f"{LOOPBACK}:{port}", f"tls=true&tlsCAFile={tls.authority}"
    with MongoClient[dict[str, Any]](f"mongodb://{place}/?directConnection=true&{trust}") as client:
        _initiate(client, child, place)
    owner, password = secrets.token_hex(16), secrets.token_hex(16)
    with MongoClient[dict[str, Any]](f"mongodb://{place}/?directConnection=true&{trust}") as client:
        client.admin.command("createUser", "owner", pwd=owner, roles=["root"])
    owned = f"mongodb://owner:{owner}@{place}/?replicaSet=studio&{trust}"
    with MongoClient[dict[str, Any]](owned) as client:
        role = {"role": "readWrite", "db": "embedding_studio"}
        client.embedding_studio.command("createUser", "studio", pwd=password, roles=[role])
    url = f"mongodb://studio:{password}@{place}/?replicaSet=studio&authSource=embedding_studio&{trust}"
    return MongoSet(url, owned)


def _initiate(client: MongoClient[dict[str, Any]], child: Child, place: str) -> None:
    members = [{"_id": 0, "host": place}]
    child.wait_until(succeeds(lambda: client.admin.command("ping")), _READY_S)
    client.admin.command("replSetInitiate", {"_id": "studio", "members": members})
    child.wait_until(lambda: bool(client.admin.command("hello")["isWritablePrimary"]), _READY_S)


def start_redis(supervisor: Supervisor, folder: Path, tls: Certificates) -> str:
    """The URL of a Redis that listens with TLS alone."""
    port, password = free_port(), secrets.token_hex(16)
    settings = {
        "bind": LOOPBACK,
        "port": 0,
        "tls-port": port,
        "tls-cert-file": tls.chain,
        "tls-key-file": tls.key,
        "tls-ca-cert-file": tls.authority,
        "tls-auth-clients": "no",
        "requirepass": password,
        "save": '""',
        "dir": folder,
    }
    configuration = folder / "redis.conf"
    configuration.write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
    child = supervisor.start("redis", [program("redis-server") or "", configuration], log=folder / "logs" / "redis.log")
    child.wait_until(lambda: "Ready to accept connections" in child.log.read_text(), _READY_S)
    return f"rediss://:{password}@{LOOPBACK}:{port}/0?ssl_ca_certs={tls.authority}"


@contextmanager
def start_mlflow(supervisor: Supervisor, folder: Path, s3: S3Server, tls: Certificates) -> Iterator[MlflowServer]:
    """An MLflow server with users, on MariaDB, with artifacts in S3."""
    s3.client.make_bucket(_BUCKET)
    port, password = free_port(), secrets.token_hex(16)
    with start_mariadb(supervisor, database="mlflow", user="mlflow", password=secrets.token_hex(16)) as database:
        (folder / "mlflow.ini").write_text(
            "[mlflow]\n"
            "default_permission = NO_PERMISSIONS\n"
            f"database_uri = sqlite:///{folder / 'mlflow-users.db'}\n"
            "admin_username = studio\n"
            "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n"
        )
        child = supervisor.start(
            "mlflow",
            [
                *(MLFLOW / "bin" / "mlflow", "server", "--host", LOOPBACK, "--port", str(port), "--workers", "1"),
                *("--backend-store-uri", f"mysql+pymysql://{database}", "--artifacts-destination", f"s3://{_BUCKET}"),
                *("--app-name", "basic-auth"),
            ],
            log=folder / "logs" / "mlflow.log",
            env={
                "PATH": f"{MLFLOW / 'bin'}:{os.environ['PATH']}",
                "HOME": str(folder),
                "MLFLOW_AUTH_CONFIG_PATH": str(folder / "mlflow.ini"),
                "MLFLOW_AUTH_ADMIN_PASSWORD": password,
                "MLFLOW_FLASK_SERVER_SECRET_KEY": secrets.token_hex(16),
                "MLFLOW_S3_ENDPOINT_URL": f"https://{s3.endpoint}",
                "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
                "MLFLOW_DISABLE_TELEMETRY": "true",
                "AWS_ACCESS_KEY_ID": s3.access_key,
                "AWS_SECRET_ACCESS_KEY": s3.secret_key,
                "AWS_CA_BUNDLE": str(tls.authority),
            },
        )
        url = f"http://{LOOPBACK}:{port}"
        child.wait_until(succeeds(lambda: httpx.get(f"{url}/health").raise_for_status()), _READY_S)
        yield MlflowServer(url, "studio", password, database, _BUCKET)
