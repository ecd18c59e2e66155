"""A real Prometheus, with the configuration that is shipped and a key of its own, reads a studio that requires keys."""

import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from embedding_studio.infra.embedded import free_port, require_free_port
from embedding_studio.infra.shipped import shipped
from embedding_studio.kernel.errors import ConflictError
from embedding_studio.worker import ROLES
from installation import until

from .conftest import running_up

pytestmark = pytest.mark.e2e

FOLDER = shipped("config") / "prometheus"


def test_prometheus_reads_the_api_and_every_worker(tmp_path: Path) -> None:
    first = first_of_free_ports(len(ROLES))
    with running_up(tmp_path / "data", ACCESS__REQUIRED="true", METRICS__PORT=first) as api:
        assert api.get("/metrics").status_code == 401
        targets = {
            "embedding-studio-api": [api.base_url.netloc.decode()],
            "embedding-studio-workers": [f"127.0.0.1:{first + place}" for place in range(len(ROLES))],
        }
        with prometheus(tmp_path, targets, key=metrics_key(tmp_path / "data")) as server:
            until(lambda: states(server) == ["up"] * (1 + len(ROLES)))
            until(lambda: values(server, "embedding_studio_build_info", "role").keys() == {"api", *ROLES})
            servers = dict.fromkeys(("postgres", "mongo", "redis", "inference"), "1")
            until(lambda: values(server, "embedding_studio_ready", "check") == servers)
            assert {group["name"] for group in asked(server, "rules")["groups"]} == {"embedding-studio"}


def metrics_key(data_dir: Path) -> str:
    command = [sys.executable, "-m", "embedding_studio", "keys", "create", "--role", "metrics", "--json"]
    made = subprocess.run([*command, "--data-dir", str(data_dir)], capture_output=True, check=True)
    return str(json.loads(made.stdout)["key"])


@contextmanager
def prometheus(folder: Path, targets: dict[str, list[str]], *, key: str) -> Iterator[httpx.Client]:
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("needs Debian's package `prometheus`")
    shutil.copy(FOLDER / "alerts.yaml", folder)
    (folder / "api.key").write_text(key)
    config = yaml.safe_load((FOLDER / "prometheus.yaml").read_text())
    config["global"]["scrape_interval"] = "1s"
    assert {one["job_name"] for one in config["scrape_configs"]} == set(targets)
    for one in config["scrape_configs"]:
        assert len(one["static_configs"][0]["targets"]) == len(targets[one["job_name"]])
        one["static_configs"] = [{"targets": targets[one["job_name"]]}]
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(config))
    address = f"127.0.0.1:{free_port()}"
    command = [program, f"--config.file={folder}/prometheus.yaml", f"--storage.tsdb.path={folder}/tsdb"]
    with (
        (folder / "prometheus.log").open("w") as log,
        subprocess.Popen([*command, f"--web.listen-address={address}"], stderr=log, env=os.environ) as process,
        httpx.Client(base_url=f"http://{address}/api/v1/", timeout=60.0) as client,
    ):
        try:
            until(lambda: answers(client, process))
            yield client
        finally:
            process.terminate()


def answers(client: httpx.Client, process: subprocess.Popen[bytes]) -> bool:
    assert process.poll() is None, "Prometheus ended"
    try:
        return client.get("status/runtimeinfo").is_success
    except httpx.TransportError:
        return False


def asked(server: httpx.Client, what: str) -> Any:
    return server.get(what).raise_for_status().json()["data"]


def values(server: httpx.Client, metric: str, label: str) -> dict[str, str]:
    """The newest values of a metric by one of its labels; a target may be up a moment before they can be asked for."""
    found = asked(server, f"query?query={metric}")["result"]
    return {one["metric"][label]: one["value"][1] for one in found}


def states(server: httpx.Client) -> list[str]:
    return [one["health"] for one in asked(server, "targets?state=active")["activeTargets"]]


def first_of_free_ports(count: int) -> int:
    """The first of so many free ports in a row, none of which the studio that is started gives to its servers."""
    while True:
        first = random.randrange(10_000, 20_000 - count)
        with suppress(ConflictError):
            for place in range(count):
                require_free_port("127.0.0.1", first + place)
            return first
