"""A studio as production runs it: every store a server of its own, every process on a machine of its own."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from collector import Collector, collector
from embedding_studio.infra.embedded import Child, Supervisor, free_port, start_triton
from installation import finished_task, is_ready
from production.servers import (
    MLFLOW,
    MlflowServer,
    MongoSet,
    start_mlflow,
    start_mongo,
    start_postgres_with_tls,
    start_redis,
)
from services import Certificates, S3Server, program, start_s3
from small_encoder import save_small_encoder

_TRITON = Path(os.environ.get("TRITON_ENVIRONMENT", Path(__file__).parents[2] / ".triton"))
_ROLES = ("upsert", "inference", "improve", "finetune")
_DEADLINE_S = 120.0
_COMMAND = (sys.executable, "-m", "embedding_studio")


@dataclass(frozen=True, slots=True)
class Stores:
    """All servers, and where they are."""

    postgres: str
    mongo: MongoSet
    redis: str
    s3: S3Server
    mlflow: MlflowServer
    tritons: tuple[str, str]
    triton_repository: Path
    tls: Certificates

    @property
    def environment(self) -> dict[str, str]:
        """The settings that all processes share."""
        settings = {
            "ENV": "prod",
            "POSTGRES__DSN": self.postgres,
            "MONGO__URL": self.mongo.url,
            "REDIS__URL": self.redis,
            "OBJECTS__ENDPOINT": self.s3.endpoint,
            "OBJECTS__CA_FILE": self.tls.authority,
            "OBJECTS__BUCKET": "objects",
            "OBJECTS__ACCESS_KEY": self.s3.access_key,
            "OBJECTS__SECRET_KEY": self.s3.secret_key,
            "MLFLOW__TRACKING_URI": self.mlflow.url,
            "INFERENCE__ENGINE": "triton",
            "INFERENCE__TRITON__URL": ",".join(self.tritons),
            "INFERENCE__TRITON__BACKEND": "python",
            "TASKS__SWEEP_EVERY": 1,
        }
        ours = {f"EMBEDDING_STUDIO_{name}": str(value) for name, value in settings.items()}
        mlflow = {"MLFLOW_TRACKING_USERNAME": self.mlflow.user, "MLFLOW_TRACKING_PASSWORD": self.mlflow.password}
        return ours | mlflow


@dataclass(frozen=True, slots=True)
class Production:
    """Two API processes and a worker of each role; no two have a folder in common. All send their spans."""

    stores: Stores
    traces: Collector
    folder: Path
    apis: tuple[httpx.Client, httpx.Client]

    def finished(self, answer: httpx.Response) -> dict[str, Any]:
        """The task that a request started, once it is finished."""
        return finished_task(self.apis[0], answer)


@pytest.fixture(scope="session")
def stores() -> Iterator[Stores]:
    needed = {
        "redis-server": program("redis-server"),
        "stunnel (of stunnel4)": program("stunnel"),
        "mariadbd (of mariadb-server)": program("mariadbd"),
        ".mlflow": MLFLOW.is_dir(),
        ".triton": _TRITON.is_dir(),
    }
    missing = [name for name, found in needed.items() if not found]
    if missing:
        pytest.skip(f"this machine lacks {', '.join(missing)}; `make test-production` says how to get them")
    with (
        tempfile.TemporaryDirectory(prefix="embedding-studio-production-") as name,
        Supervisor(stop_deadline_s=2.0) as supervisor,
    ):
        folder = Path(name)
        tls = Certificates.made_in(folder)
        s3 = start_s3(supervisor, folder, access_key="studio", secret_key="the-secret-of-s3", tls=tls)
        s3.client.make_bucket("objects")
        with start_mlflow(supervisor, folder, s3, tls) as mlflow:
            repository = folder / "triton-repository"
            one, other = (
                start_triton(supervisor, folder / name, environment=_TRITON, repository=repository)
                for name in ("triton-a", "triton-b")
            )
            yield Stores(
                postgres=start_postgres_with_tls(supervisor, folder, tls),
                mongo=start_mongo(supervisor, folder, tls),
                redis=start_redis(supervisor, folder, tls),
                s3=s3,
                mlflow=mlflow,
                tritons=(one.url_when_ready(), other.url_when_ready()),
                triton_repository=repository,
                tls=tls,
            )


@pytest.fixture(scope="session")
def plugins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One plugin, with an encoder that is trained in seconds."""
    folder = tmp_path_factory.mktemp("plugins")
    (folder / "small.py").write_text(
        "from embedding_studio.sdk import EmbeddingPlugin, SentenceEncoder\n"
        f"encoder = SentenceEncoder({save_small_encoder(tmp_path_factory.mktemp('small'))!r})\n"
        "plugin = EmbeddingPlugin(name='small', encoder=encoder)\n"
    )
    return folder


@pytest.fixture(scope="session")
def production(stores: Stores, plugins: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Production]:
    folder = tmp_path_factory.mktemp("machines")
    shared = {"EMBEDDING_STUDIO_PLUGINS": str(plugins), "OTEL_BSP_SCHEDULE_DELAY": "100"} | stores.environment
    run(["migrate"], folder / "release", shared)
    run(["export"], folder / "release", shared)
    made = json.loads(run(["keys", "create", "--role", "admin", "--json"], folder / "release", shared))
    with collector() as traces, Supervisor() as supervisor:
        shared["EMBEDDING_STUDIO_TRACING__ENDPOINT"] = traces.endpoint
        with machines(supervisor, folder, stores, shared, key=made["key"]) as apis:
            yield Production(stores, traces, folder, apis)


@contextmanager
def machines(
    supervisor: Supervisor, folder: Path, stores: Stores, shared: dict[str, str], *, key: str
) -> Iterator[tuple[httpx.Client, httpx.Client]]:
    ports = [free_port(), free_port()]
    apis = [
        start(supervisor, f"api-{port}", ["serve"], folder, shared | {"EMBEDDING_STUDIO_API__PORT": str(port)})
        for port in ports
    ]
    repository = {"EMBEDDING_STUDIO_INFERENCE__TRITON__REPOSITORY": str(stores.triton_repository)}
    for role in _ROLES:
        own = repository if role == "inference" else {}
        start(supervisor, role, ["worker", "--role", role], folder, shared | own)
    headers = {"Authorization": f"Bearer {key}"}
    urls = [f"http://127.0.0.1:{port}" for port in ports]
    first, second = (httpx.Client(base_url=url, headers=headers, timeout=60.0) for url in urls)
    with first, second:
        for url, child in zip(urls, apis, strict=True):
            child.wait_until(partial(is_ready, url), _DEADLINE_S)
        yield first, second


def start(supervisor: Supervisor, machine: str, arguments: list[str], folder: Path, shared: dict[str, str]) -> Child:
    command = [*_COMMAND, *arguments]
    return supervisor.start(machine, command, log=folder / f"{machine}.log", env=on_machine(folder / machine, shared))


def run(arguments: list[str], machine: Path, shared: dict[str, str]) -> str:
    """Run a command to its end, and leave nothing of its machine; returns what it printed."""
    done = subprocess.run(
        [*_COMMAND, *arguments], check=False, env=on_machine(machine, shared), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    shutil.rmtree(machine, ignore_errors=True)
    return done.stdout


def on_machine(data_dir: Path, shared: dict[str, str]) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("EMBEDDING_STUDIO_")}
    return clean | shared | {"EMBEDDING_STUDIO_DATA_DIR": str(data_dir)}
