"""Models are registered once, listed, verified before they serve; texts become vectors as each of them makes them."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embedding_studio.inference import BrokenModelError, ModelNotFoundError, ModelRepository, ModelService
from embedding_studio.kernel.ids import new_id
from embedding_studio.kernel.time import now
from embedding_studio.vector_store import Collection
from studio import Studio

from .models import adapter, register

pytestmark = pytest.mark.anyio

NAME = "models-service"
URL = f"/api/v1/collections/{NAME}"


@pytest.fixture
async def collection(studio: Studio) -> AsyncIterator[Collection]:
    await studio.create(NAME)
    yield await studio.container.collections.current(NAME)
    await studio.client.delete(URL)


@pytest.fixture
def fresh(studio: Studio) -> ModelService:
    """The models as a process sees them that has just started."""
    return ModelService(
        models=ModelRepository(),
        catalog=studio.container.catalog,
        objects=studio.container.objects,
        clock=now,
    )


async def embed(studio: Studio, **fields: Any) -> dict[str, Any]:
    answer = await studio.client.post(f"{URL}/embed", json={"texts": ["old westerns"], "kind": "query", **fields})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


@pytest.mark.usefixtures("collection")
async def test_texts_come_back_as_vectors_in_their_order(studio: Studio) -> None:
    texts = [f"text number {n}" for n in range(20)]
    together = await embed(studio, texts=texts, kind="item")
    assert together["model_version"] == 1
    vectors = np.asarray(together["vectors"])
    assert vectors.shape == (20, 384)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    alone = await embed(studio, texts=[texts[7]], kind="item")
    np.testing.assert_allclose(vectors[7], alone["vectors"][0], atol=1e-6)


async def test_a_version_changes_queries_and_never_items(studio: Studio, collection: Collection) -> None:
    model = await register(studio, collection)
    base, adapted = [np.asarray((await embed(studio, model_version=n))["vectors"]) for n in (1, model.version)]
    np.testing.assert_allclose(adapter(1).apply(base.astype(np.float32)), adapted, atol=1e-6)
    assert np.abs(base - adapted).max() > 0.01
    items = [(await embed(studio, kind="item", model_version=n))["vectors"] for n in (1, model.version)]
    assert items[0] == items[1]


@pytest.mark.usefixtures("collection")
async def test_a_version_that_does_not_exist(studio: Studio) -> None:
    body = {"texts": ["a"], "kind": "query", "model_version": 9}
    assert (await studio.client.post(f"{URL}/embed", json=body)).status_code == 404


async def test_a_collection_of_given_vectors_embeds_nothing(studio: Studio, any_name: str) -> None:
    await studio.create(any_name, "vectors", options={"dimensions": 2})
    answer = await studio.client.post(f"/api/v1/collections/{any_name}/embed", json={"texts": ["a"], "kind": "query"})
    assert answer.status_code == 400
    assert "own vectors" in answer.json()["detail"]


async def test_the_same_task_registers_one_version(studio: Studio, collection: Collection) -> None:
    task_id = new_id()
    first, again = [await register(studio, collection, task_id=task_id) for _ in range(2)]
    assert first.version == again.version
    assert (await register(studio, collection)).version > first.version


async def test_models_are_listed_newest_first_with_the_base_last(studio: Studio, collection: Collection) -> None:
    versions = [(await register(studio, collection, seed=seed)).version for seed in range(3)]
    found: list[dict[str, Any]] = []
    params: dict[str, Any] = {"limit": 2}
    while params.get("cursor", "") is not None:
        page = (await studio.client.get(f"{URL}/models", params=params)).json()
        found += page["items"]
        params["cursor"] = page["next_cursor"]
    assert [one["version"] for one in found] == [*reversed(versions), 1]
    assert [one["state"] for one in found] == ["registered", "registered", "registered", "deployed"]
    assert found[0]["gate"] == {"decision": "promote", "reasons": []}
    assert found[0]["metrics"] == {"ndcg@10": {"delta": 0.1}}
    assert (found[-1]["track"], found[-1]["parent"], found[-1]["gate"]) == ("base", None, None)


def artifact(studio: Studio, collection: Collection, version: int) -> Path:
    folder = studio.container.settings.objects.folder / "models" / str(collection.id) / str(version)
    return folder / "adapter.safetensors"


async def test_bytes_that_are_not_those_registered_are_refused(
    studio: Studio, collection: Collection, fresh: ModelService
) -> None:
    version = (await register(studio, collection)).version
    path = artifact(studio, collection, version)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(BrokenModelError, match="not those registered"):
        await fresh.adapter(collection, version)
    path.unlink()
    with pytest.raises(BrokenModelError, match="gone"):
        await fresh.adapter(collection, version)


async def test_an_adapter_of_other_dimensions_is_refused(
    studio: Studio, collection: Collection, fresh: ModelService
) -> None:
    version = (await register(studio, collection, adapter=adapter(1, dimensions=8))).version
    with pytest.raises(BrokenModelError, match="8 dimensions"):
        await fresh.adapter(collection, version)


async def test_models_go_with_their_collection(studio: Studio, any_name: str) -> None:
    await studio.create(any_name)
    collection = await studio.container.collections.current(any_name)
    version = (await register(studio, collection)).version
    await studio.client.delete(f"/api/v1/collections/{any_name}")
    await studio.create(any_name)
    again = await studio.container.collections.current(any_name)
    with pytest.raises(ModelNotFoundError):
        await studio.container.models.adapter(again, version)
