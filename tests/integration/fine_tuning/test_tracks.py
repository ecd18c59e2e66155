"""Encoders trained from real sessions, judged, registered, deployed and rolled back.

Most trainings run in this process, which spares the seconds that it takes one to begin: what a process of its own adds
is told in test_child, test_encoder_training and the end-to-end test of a worker that dies.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from embedding_studio.fine_tuning.child import Hear, TrainingProcess
from embedding_studio.inference import OtherEncoderError
from embedding_studio.inference.exporting import export_missing
from embedding_studio.kernel.encoder import EncoderDescription
from embedding_studio.ml.encoder_training import train_encoder
from embedding_studio.ml.job import EncoderJob, read_job
from embedding_studio.sdk import EmbeddingPlugin, SentenceEncoder
from embedding_studio.vector_store import Collection
from small_encoder import COLORS, NAMES, THINGS, one_thread, save_small_encoder
from studio import Studio

pytestmark = pytest.mark.anyio

Json = dict[str, Any]
SHORT = {"epochs": 2, "learning_rate": 3e-3, "batch_size": 4, "evaluations": 1}
STILL = {**SHORT, "epochs": 1, "learning_rate": 1e-12}

train_elsewhere = TrainingProcess._train


async def train_here(_self: TrainingProcess, folder: Path, job: EncoderJob, _hear: Hear) -> None:
    def train() -> None:
        with one_thread():
            result = train_encoder(folder, job, read_job(folder)[1], lambda *_: None)
        (folder / "result.json").write_bytes(msgspec.json.encode(result))

    await asyncio.to_thread(train)


@pytest.fixture(scope="module", autouse=True)
def _here() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TrainingProcess, "_train", train_here)
        yield


@pytest.fixture(scope="module")
def plugin(studio: Studio, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A plugin of a small encoder, which this process knows."""
    encoder = SentenceEncoder(save_small_encoder(tmp_path_factory.mktemp("small")))
    export_missing([encoder.build()], studio.container.settings.inference.encoders)
    plugin = EmbeddingPlugin(name="small", encoder=encoder)
    studio.container.plugins._plugins[plugin.name] = plugin
    return plugin.name


@asynccontextmanager
async def open_shop(studio: Studio, plugin: str, name: str) -> AsyncIterator[str]:
    """A shop whose three users always click the first two of a thing's colors, whatever they are called."""
    await studio.create(name, plugin)
    named = [(color, thing) for thing in THINGS for color in COLORS]
    items = [{"id": f"{color}-{thing}", "payload": {"title": f"{color} {thing}"}} for color, thing in named]
    await studio.add(name, items)
    queries = [f"{word} {called}" for word in ("a", "my", "red") for called in NAMES]
    for number, query in enumerate(queries):
        for user in ("ann", "bob", "cem"):
            await click(studio, name, query, user, THINGS[number % len(THINGS)])
    yield name
    await studio.client.delete(f"/api/v1/collections/{name}")


@pytest.fixture(scope="module")
async def open_all_day(studio: Studio, plugin: str) -> AsyncIterator[str]:
    async with open_shop(studio, plugin, "open-all-day") as name:
        yield name


@pytest.fixture
async def shop(studio: Studio, open_all_day: str) -> AsyncIterator[str]:
    """The shop of all tests that leave it as it was, but for more versions; version 1 is deployed."""
    yield open_all_day
    if (await found(studio, open_all_day))[0] != 1:
        assert (await deploy(studio, open_all_day, 1))["state"] == "succeeded"


@pytest.fixture
async def own_shop(studio: Studio, plugin: str, any_name: str) -> AsyncIterator[str]:
    async with open_shop(studio, plugin, any_name) as name:
        yield name


@pytest.fixture(scope="module")
async def both_encoders(studio: Studio, open_all_day: str) -> int:
    """A version of the shop."""
    version: int = (await fine_tune(studio, open_all_day, "both_encoders"))["model_version"]
    return version


async def click(studio: Studio, name: str, query: str, user: str, thing: str) -> None:
    shown = await studio.search(name, query={"text": query}, user_id=user, limit=32, mode="vector")
    session = shown["session_id"]
    events = [
        {"event_id": f"{session}-{color}", "session_id": session, "item_id": f"{color}-{thing}", "type": "click"}
        for color in COLORS[:2]
    ]
    answer = await studio.client.post("/api/v1/events", json={"events": events})
    assert answer.json()["accepted"] == 2, answer.text


async def ask(studio: Studio, name: str, track: str, **fields: object) -> str:
    answer = await studio.client.post(f"/api/v1/collections/{name}/fine-tuning", json={"track": track, **fields})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["task_id"])


async def fine_tune(studio: Studio, name: str, track: str, **fields: object) -> Json:
    task = await studio.work(await ask(studio, name, track, **{"params": SHORT, **fields}))
    assert task["state"] == "succeeded", task["error"]
    return dict(task["result"])


async def deploy(studio: Studio, name: str, version: int) -> Json:
    url = f"/api/v1/collections/{name}/models/{version}/deploy"
    answer = await studio.client.post(url, json={"force": True, "note": "a test"})
    return await studio.work(answer.json()["task_id"])


async def roll_back(studio: Studio, name: str) -> Json:
    answer = await studio.client.post(f"/api/v1/collections/{name}/rollback")
    return await studio.work(answer.json()["task_id"])


async def embed(studio: Studio, name: str, kind: str, version: int) -> list[list[float]]:
    body = {"texts": ["a couch"], "kind": kind, "model_version": version}
    answer = await studio.client.post(f"/api/v1/collections/{name}/embed", json=body)
    assert answer.status_code == 200, answer.text
    vectors: list[list[float]] = answer.json()["vectors"]
    return vectors


async def found(studio: Studio, name: str) -> tuple[int, int, list[float]]:
    page = await studio.search(name, query={"text": "a couch"}, mode="vector", track=False)
    return page["model_version"], page["index_version"], [one["score"] for one in page["results"]]


async def vectors_of(studio: Studio, collection: Collection) -> dict[str, bytes]:
    sample = await studio.container.items.sample(collection, limit=100)
    return {item: vector.tobytes() for item, vector in sample.items()}


async def test_a_query_encoder_serves_without_a_new_index(studio: Studio, shop: str) -> None:
    before, collection = await found(studio, shop), await studio.container.collections.current(shop)
    stored = await vectors_of(studio, collection)
    result = await fine_tune(studio, shop, "query_encoder")
    version = result["model_version"]
    assert (result["track"], result["device"]) == ("query_encoder", "cpu")
    assert result["gate"]["decision"] == "not_enough_evidence"
    assert set(result["metrics"]) == {"ndcg@10", "mrr@10", "recall@100"}
    assert await found(studio, shop) == before

    assert (await deploy(studio, shop, version))["state"] == "succeeded"
    after = await found(studio, shop)
    assert after[:2] == (version, before[1])
    assert after[2] != before[2]
    assert await vectors_of(studio, collection) == stored
    assert await embed(studio, shop, "item", version) == await embed(studio, shop, "item", 1)
    assert await embed(studio, shop, "query", version) != await embed(studio, shop, "query", 1)
    assert (await roll_back(studio, shop))["state"] == "succeeded"
    assert await found(studio, shop) == before


@pytest.mark.parametrize("track", ["query_encoder", "both_encoders"])
async def test_an_encoder_in_int8_is_compared_with_its_twin_and_serves(studio: Studio, shop: str, track: str) -> None:
    result = await fine_tune(studio, shop, track, params={**SHORT, "precision": "int8"})
    version, fidelity = result["model_version"], result["fidelity"]
    assert fidelity["items"] == 32
    assert 0 < fidelity["queries"] <= 24
    assert fidelity["top10"] > 0.9
    refused = [reason for reason in result["gate"]["reasons"] if "int8" in reason]
    assert bool(refused) == (fidelity["top10"] < 0.98)
    verified = (await studio.client.get(f"/api/v1/collections/{shop}/models/{version}/gate")).json()
    assert (verified["fidelity"], verified["differing"]) == (fidelity, [])

    assert (await deploy(studio, shop, version))["state"] == "succeeded"
    assert (await found(studio, shop))[0] == version
    settings = studio.container.settings
    collection = await studio.container.collections.current(shop)
    stored = settings.objects.folder / "models" / str(collection.id) / str(version)
    assert EncoderDescription.read(stored / "encoder.json").precision == "int8"
    assert not [path for path in (*stored.rglob("*"), *settings.fine_tuning.work.rglob("*")) if path.name == "twin"]


async def test_both_encoders_serve_with_their_index_from_the_same_moment(
    studio: Studio, shop: str, both_encoders: int
) -> None:
    before, version = await found(studio, shop), both_encoders
    collection = await studio.container.collections.current(shop)
    with pytest.raises(OtherEncoderError):
        await studio.container.embeddings.embed(collection, ["a couch"], "query", model_version=version)

    task = await deploy(studio, shop, version)
    assert (task["state"], task["error"]) == ("succeeded", None)
    after = await found(studio, shop)
    assert after[0] == version
    assert after[1] > before[1]
    collection = await studio.container.collections.current(shop)
    items = await studio.container.items.vectors(collection, ["red-sofa"])
    text = (await studio.client.get(f"/api/v1/collections/{shop}/items/red-sofa")).json()["parts"][0]["text"]
    again = await studio.client.post(f"/api/v1/collections/{shop}/embed", json={"texts": [text], "kind": "item"})
    np.testing.assert_allclose(items["red-sofa"], again.json()["vectors"][0], atol=1e-4)
    with pytest.raises(OtherEncoderError):
        await studio.container.embeddings.embed(collection, ["a couch"], "query", model_version=1)

    assert (await roll_back(studio, shop))["state"] == "succeeded"
    assert await found(studio, shop) == before


async def test_an_index_of_a_trained_encoder_is_kept_in_step_and_built_again(
    studio: Studio, shop: str, both_encoders: int
) -> None:
    version = both_encoders
    await deploy(studio, shop, version)
    await studio.add(shop, [{"id": "new", "payload": {"title": "red sofa"}}])
    answer = await studio.client.post(f"/api/v1/collections/{shop}/reindex", json={})
    task = await studio.work(answer.json()["task_id"])
    assert (task["state"], task["result"]["model_version"]) == ("succeeded", version)
    collection = await studio.container.collections.current(shop)
    vectors = await studio.container.items.vectors(collection, ["new", "red-sofa"])
    np.testing.assert_allclose(vectors["new"], vectors["red-sofa"], atol=1e-3)
    assert collection.encoder
    assert collection.encoder.model.startswith("trained/")
    back = await deploy(studio, shop, 1)
    assert (back["state"], back["error"]) == ("succeeded", None)
    collection = await studio.container.collections.current(shop)
    assert (collection.model_version, collection.encoder and collection.encoder.model.startswith("trained/")) == (
        1,
        False,
    )


async def test_training_goes_on_from_what_is_deployed(studio: Studio, shop: str) -> None:
    fast = {"epochs": 3, "learning_rate": 0.1}
    first = (await fine_tune(studio, shop, "query_adapter", params=fast))["model_version"]
    await deploy(studio, shop, first)
    second = (await fine_tune(studio, shop, "query_encoder", params=STILL))["model_version"]
    vectors = [await embed(studio, shop, "query", version) for version in (1, first, second)]
    assert np.abs(np.subtract(vectors[0], vectors[1])).max() > 1e-3
    np.testing.assert_allclose(vectors[1], vectors[2], atol=1e-4)
    await deploy(studio, shop, second)
    third = await fine_tune(studio, shop, "query_adapter", params={"epochs": 1, "learning_rate": 1e-9})
    adapted = await embed(studio, shop, "query", third["model_version"])
    np.testing.assert_allclose(adapted, vectors[2], atol=1e-4)
    models = (await studio.client.get(f"/api/v1/collections/{shop}/models")).json()["items"]
    assert [one["parent"] for one in models[:3]] == [second, first, 1]


async def test_auto_tries_the_tracks_in_order_and_says_so(studio: Studio, shop: str) -> None:
    result = await fine_tune(studio, shop, "auto", params={"seconds": 3600, "search": 2})
    tracks = [trial["track"] for trial in result["tried"]]
    assert list(dict.fromkeys(tracks)) == ["query_adapter", "query_encoder", "both_encoders"]
    assert result["track"] in tracks
    assert all(trial["dev_ndcg@10"] is not None for trial in result["tried"])


async def test_without_time_auto_stays_with_the_cheapest(studio: Studio, shop: str) -> None:
    result = await fine_tune(studio, shop, "auto", params={"seconds": 1})
    assert result["track"] == "query_adapter"
    assert [trial["note"] for trial in result["tried"]] == [None, "no time was left", "no time was left"]


async def test_a_training_outlives_its_worker_but_no_cancel(
    studio: Studio, shop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    task_id = await ask(studio, shop, "query_encoder", params={**SHORT, "epochs": 1000})
    folders = watch(monkeypatch)
    work = asyncio.create_task(studio.work(task_id))
    folder = await folders.get()
    await until(lambda: bool(list(folder.glob("checkpoints/*/complete"))))
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    task = await studio.task(task_id)
    assert (task["state"], task["attempts"]) == ("pending", 1)
    curve = (folder / "choice" / "curve.json").stat().st_mtime_ns

    work = asyncio.create_task(studio.work(task_id))
    assert await folders.get() == folder
    await until(lambda: (folder / "choice" / "curve.json").stat().st_mtime_ns > curve)
    await studio.client.post(f"/api/v1/tasks/{task_id}/cancel")
    task = await work
    assert (task["state"], task["attempts"]) == ("cancelled", 2)
    assert not folder.exists()


async def test_a_training_is_held_to_the_memory_of_the_settings(
    studio: Studio, shop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = []

    async def train(self: TrainingProcess, folder: Path, job: EncoderJob, hear: Hear) -> None:
        held.append(job.config.memory)
        await train_here(self, folder, job, hear)

    monkeypatch.setattr(TrainingProcess, "_train", train)
    await fine_tune(studio, shop, "query_encoder", params=STILL)
    assert held == [studio.container.settings.fine_tuning.memory]


async def test_models_with_encoders_go_with_their_collection(studio: Studio, own_shop: str) -> None:
    version = (await fine_tune(studio, own_shop, "query_encoder", params=STILL))["model_version"]
    await embed(studio, own_shop, "query", version)
    collection = await studio.container.collections.current(own_shop)
    settings = studio.container.settings
    models = settings.objects.folder / "models" / str(collection.id)
    assert models.exists()
    copies = list(settings.inference.encoders.glob(f"trained-{collection.id}-{version}-*"))
    assert len(copies) == 1
    await studio.client.delete(f"/api/v1/collections/{own_shop}")
    assert not list(models.glob("*"))
    assert not copies[0].exists()


async def test_an_encoder_whose_bytes_were_changed_is_not_served(studio: Studio, shop: str) -> None:
    version = (await fine_tune(studio, shop, "query_encoder", params=STILL))["model_version"]
    collection = await studio.container.collections.current(shop)
    path = studio.container.settings.objects.folder / "models" / str(collection.id) / str(version) / "model.onnx"
    path.write_bytes(path.read_bytes() + b"x")
    task = await deploy(studio, shop, version)
    assert (task["state"], task["error"]["title"]) == ("failed", "BrokenModelError")
    assert (await found(studio, shop))[0] == 1


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what another process writes."""
    while not condition():  # noqa: ASYNC110  # no event of ours
        await asyncio.sleep(0.02)


def watch(monkeypatch: pytest.MonkeyPatch) -> "asyncio.Queue[Path]":
    """The folders of trainings that begin, in processes of their own."""
    folders: asyncio.Queue[Path] = asyncio.Queue()

    async def train(self: TrainingProcess, folder: Path, job: EncoderJob, hear: Hear) -> None:
        folders.put_nowait(folder)
        await train_elsewhere(self, folder, job, hear)

    monkeypatch.setattr(TrainingProcess, "_train", train)
    return folders
