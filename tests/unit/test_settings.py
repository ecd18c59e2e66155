"""Settings: what is misspelt is refused and named, and secrets stay secret."""

import os
from pathlib import Path

import pytest
from pydantic import SecretStr

from embedding_studio import settings as module
from embedding_studio.infra.jobs import RedisSettings
from embedding_studio.infra.mongo import MongoSettings
from embedding_studio.infra.postgres import PostgresSettings
from embedding_studio.kernel.errors import InvalidError
from embedding_studio.settings import Settings, load_settings

CONFIG = Path(__file__).parents[2] / "config"
PASSWORD = "correct-horse"
ADDRESSES = {
    "EMBEDDING_STUDIO_POSTGRES__DSN": f"postgresql://u:{PASSWORD}@h/d",
    "EMBEDDING_STUDIO_MONGO__URL": f"mongodb://u:{PASSWORD}@h",
    "EMBEDDING_STUDIO_REDIS__URL": f"redis://:{PASSWORD}@h/0",
}


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in os.environ:
        if name.startswith("EMBEDDING_STUDIO_"):
            monkeypatch.delenv(name)
    for name, value in ADDRESSES.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(module, "shipped", lambda name: tmp_path / name)
    (tmp_path / "config").mkdir()
    write(tmp_path, "local", "[api]\nport = 1111\nmax_body = 5000\n")


def write(folder: Path, name: str, text: str) -> None:
    (folder / "config" / f"{name}.toml").write_text(text)


def test_the_environment_wins_over_the_file_and_the_file_over_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMBEDDING_STUDIO_API__PORT", "2222")
    api = load_settings().api
    assert (api.port, api.max_body, api.host) == (2222, 5000, "127.0.0.1")


@pytest.mark.parametrize("name", ["PORT", "API__PROT", "APIS__PORT", "API__PORT__X", "API_PORT", "TASKS__", ""])
def test_a_misspelt_name_in_the_environment_is_named(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(f"EMBEDDING_STUDIO_{name}", "1")
    with pytest.raises(InvalidError) as caught:
        load_settings()
    assert [one.field for one in caught.value.errors] == [f"EMBEDDING_STUDIO_{name}"]
    assert f"EMBEDDING_STUDIO_{name}" in caught.value.detail


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("[api]\nprot = 1", "local.toml: api.prot"),
        ("[apis]\nport = 1", "local.toml: apis.port"),
        ("port = 1", "local.toml: port"),
        ("[tasks.more]\nlease = 1", "local.toml: tasks.more.lease"),
        ("[api\n", "local.toml"),
    ],
)
def test_a_misspelt_name_in_the_file_is_named(tmp_path: Path, text: str, place: str) -> None:
    write(tmp_path, "local", text)
    with pytest.raises(InvalidError) as caught:
        load_settings()
    assert [one.field for one in caught.value.errors] == [place]


def test_an_environment_that_does_not_exist_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMBEDDING_STUDIO_ENV", "prodd")
    with pytest.raises(InvalidError, match=r"prodd\.toml.*there are: local"):
        load_settings()


def test_wrong_and_missing_values_are_all_named_without_being_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMBEDDING_STUDIO_API__PORT", PASSWORD)
    monkeypatch.setenv("EMBEDDING_STUDIO_TASKS__LEASE", "-1")
    monkeypatch.delenv("EMBEDDING_STUDIO_MONGO__URL")
    with pytest.raises(InvalidError) as caught:
        load_settings()
    assert {one.field for one in caught.value.errors} >= {"api.port", "tasks.lease", "mongo"}
    assert PASSWORD not in str(caught.value)
    assert caught.value.__cause__ is None


def test_no_secret_is_shown() -> None:
    settings = load_settings()
    for text in (repr(settings), str(settings), settings.model_dump_json()):
        assert PASSWORD not in text
    assert settings.redis.url.get_secret_value() == ADDRESSES["EMBEDDING_STUDIO_REDIS__URL"]


def test_what_is_kept_on_disk_is_kept_in_the_data_folder(tmp_path: Path) -> None:
    settings = Settings(
        data_dir=tmp_path,
        postgres=PostgresSettings(dsn=SecretStr("x")),
        mongo=MongoSettings(url=SecretStr("x")),
        redis=RedisSettings(url=SecretStr("x")),
    )
    assert settings.objects.folder.is_relative_to(tmp_path)
    assert settings.inference.encoders.is_relative_to(tmp_path)
    assert str(tmp_path) in settings.mlflow.tracking_uri
    assert settings.mlflow.artifacts.startswith(tmp_path.as_uri())


@pytest.mark.parametrize("path", sorted(CONFIG.glob("*.toml")), ids=lambda path: path.stem)
def test_the_files_we_ship_are_right(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, path: Path) -> None:
    write(tmp_path, path.stem, path.read_text())
    monkeypatch.setenv("EMBEDDING_STUDIO_ENV", path.stem)
    assert load_settings().postgres.dsn.get_secret_value() == ADDRESSES["EMBEDDING_STUDIO_POSTGRES__DSN"]
    assert PASSWORD not in path.read_text()
