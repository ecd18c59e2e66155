"""Models come, go and come back while people search, and Triton itself is killed."""

import asyncio
import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import httpx
import numpy as np
import pytest

from embedding_studio.bootstrap import open_container
from embedding_studio.inference import NewEncoder, NewModel, ServedModel
from embedding_studio.infra.embedded import Server
from embedding_studio.kernel.ids import new_id
from embedding_studio.ml.export import export_encoder
from embedding_studio.settings import load_settings
from installation import finished_task, until
from servers import triton_server
from small_encoder import COLORS, THINGS, save_small_encoder

from .conftest import running_up
from .load import Load

pytestmark = pytest.mark.e2e

SHOP = "/api/v1/collections/served"
PER_SECOND = float(os.environ.get("SEARCHES_PER_SECOND", "20"))
CALM = int(os.environ.get("CALM_SEARCHES", "40"))


@dataclass
class Stage:
    """A studio whose encoders run in Triton."""

    api: httpx.Client
    triton: Server
    data_dir: Path

    def search(self) -> httpx.Response:
        return self.api.post(f"{SHOP}/search", json={"query": f"red {new_id()}", "track": False})


@pytest.fixture(scope="module", params=[False, True], ids=["refuses", "takes-over"])
def stage(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, plugins: Path) -> Iterator[Stage]:
    """Without Triton, searches are refused, or answered in process."""
    folder = tmp_path_factory.mktemp("triton")
    with triton_server(folder, folder / "models") as triton:
        settings = {
            "INFERENCE__ENGINE": "triton",
            "INFERENCE__TRITON__URL": triton.url,
            "INFERENCE__TRITON__REPOSITORY": folder / "models",
            "INFERENCE__TRITON__BACKEND": "python",
            "INFERENCE__TRITON__FALLBACK": request.param,
            "INFERENCE__TRITON__TIMEOUT": 30,
            "INFERENCE__CACHED_QUERIES": 0,
            "PLUGINS": plugins,
            "TASKS__SWEEP_EVERY": 1,
        }
        with running_up(folder / "up", **settings) as api:
            stage = Stage(api, triton, folder / "up")
            fill(stage)
            yield stage


def fill(stage: Stage) -> None:
    assert stage.api.post("/api/v1/collections", json={"name": "served", "plugin": "small"}).status_code == 201
    named = [(color, thing) for thing in THINGS for color in COLORS]
    items = [{"id": f"{color}-{thing}", "payload": {"title": f"{color} {thing}"}} for color, thing in named]
    assert finished_task(stage.api, stage.api.post(f"{SHOP}/items", json={"items": items}))["state"] == "succeeded"
    until(lambda: stage.search().status_code == 200)


@pytest.fixture(scope="module")
def version(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> int:
    """A model with an encoder of its own for queries, as training would leave it."""
    folder = tmp_path_factory.mktemp("model")
    export_encoder(save_small_encoder(folder / "trained", seed=5), folder / "export")
    note = json.loads((stage.data_dir / "environment.json").read_text())

    async def register() -> int:
        async with open_container(load_settings()) as container:
            collection = await container.collections.current("served")
            assert collection.encoder
            new = NewModel(
                task_id=new_id(),
                track="query_encoder",
                parent=1,
                compared_with=collection.deployment_id,
                encoder=NewEncoder(folder / "export", of_items=False),
                start=ServedModel(collection.encoder, collection.encoder),
                gate_record=b"{}",
                result={"gate": {"decision": "promote", "reasons": []}},
            )
            return (await container.models.register(collection, new)).version

    with mock.patch.dict(os.environ, note):
        return asyncio.run(register())


def calm(load: Load) -> None:
    """Let some searches be answered."""
    there = len(load.outcomes)
    until(lambda: len(load.outcomes) >= there + CALM)


def served(load: Load, version: int) -> Callable[[], bool]:
    return lambda: bool(load.outcomes) and load.outcomes[-1].version == version


def test_no_search_fails_while_models_come_and_go(stage: Stage, version: int) -> None:
    load = Load(f"{stage.api.base_url}{SHOP}/search", PER_SECOND)
    with load.running():
        calm(load)
        asked = time.monotonic()
        task = finished_task(stage.api, stage.api.post(f"{SHOP}/models/{version}/deploy"))
        assert task["state"] == "succeeded", task
        until(served(load, version))
        calm(load)
        back = time.monotonic()
        assert finished_task(stage.api, stage.api.post(f"{SHOP}/rollback"))["state"] == "succeeded"
        until(served(load, 1))
        calm(load)
    assert load.statuses() == {200: len(load.outcomes)}
    assert [one.version for one in load.outcomes if one.at > back and one.version == 1]
    tell(load, "deployed", asked, version)
    tell(load, "rolled back", back, 1)


def test_only_without_triton_searches_wait_for_it(stage: Stage, request: pytest.FixtureRequest) -> None:
    takes_over = request.node.callspec.params["stage"]
    load = Load(f"{stage.api.base_url}{SHOP}/search", PER_SECOND)
    with load.running():
        calm(load)
        killed = time.monotonic()
        stage.triton.child.kill()
        calm(load)
        expected = (200, "ok") if takes_over else (503, "Triton does not answer")
        until(lambda: health(stage) == expected)
        stage.triton.child.start()
        stage.triton.url_when_ready()
        until(lambda: loaded_again(stage))
        back = time.monotonic()
        calm(load)
    failed = [one for one in load.outcomes if one.status != 200]
    assert not [one for one in failed if one.at + one.seconds < killed or one.at > back], failed
    if takes_over:
        assert not failed
    else:
        assert {one.status for one in failed} == {503}
        assert all(int(one.retry_after or 0) > 0 for one in failed)
    print(f"\nkilled and back: {load.statuses()}, {back - killed:.1f} s without Triton")  # noqa: T201


def health(stage: Stage) -> tuple[int, str]:
    """Whether the API is ready, and what it says of inference."""
    answer = stage.api.get("/health/ready")
    return answer.status_code, answer.json()["checks"]["inference"]


def loaded_again(stage: Stage) -> bool:
    """Whether the base encoder is in Triton: searches by it are answered there again."""
    return stage.search().status_code == 200


def tell(load: Load, what: str, asked: float, version: int) -> None:
    """Print the figures that a person wants to see; nothing is asserted of them."""
    first = min(one.at + one.seconds for one in load.outcomes if one.at > asked and one.version == version)
    last = max(one.at for one in load.outcomes if one.version != version and one.at < first + 5)
    milliseconds = [1000 * one.seconds for one in load.outcomes]
    p50, p99 = np.percentile(milliseconds, [50, 99])
    print(f"\n{what}: first answer after {first - asked:.2f} s, last of the other after {last - asked:.2f} s")  # noqa: T201
    print(f"{len(load.outcomes)} searches, p50 {p50:.1f} ms, p99 {p99:.1f} ms")  # noqa: T201
