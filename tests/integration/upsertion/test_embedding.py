"""What an item consists of is found: the best of its texts or the mean of them, its images, and theirs alone."""

import asyncio
import base64
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from clip import SIZE, save_clip
from data_sets import data_set
from embedding_studio.inference.exporting import export_missing
from embedding_studio.sdk import (
    ClipEncoder,
    EmbeddingPlugin,
    FieldsText,
    FileLoader,
    ImageFields,
    ImagePreprocessing,
    JsonFieldSplitter,
    StripHtml,
    Text,
    TokenSplitter,
    WeightedFields,
)
from integration.upsertion.conftest import AddPlugin
from studio import Studio

pytestmark = pytest.mark.anyio


async def vectors(studio: Studio, name: str, kind: str, *texts: str) -> Any:
    answer = await studio.client.post(f"/api/v1/collections/{name}/embed", json={"texts": texts, "kind": kind})
    return np.asarray(answer.json()["vectors"])


async def stored(studio: Studio, name: str) -> dict[tuple[str, int], Any]:
    collection = await studio.container.collections.current(name)
    rows = await studio.container.pool.fetch(
        f"SELECT item_id, part_no, embedding FROM parts_{collection.id}_{collection.index_version}"
    )
    return {(row["item_id"], row["part_no"]): row["embedding"] for row in rows}


REVIEWS = [
    {"id": "tent", "payload": {"reviews": ["keeps the rain out", "easy to set up"]}},
    {"id": "boots", "payload": {"reviews": ["warm and dry feet", "the laces broke"]}},
]


async def test_an_item_is_found_by_the_best_of_its_own_parts(
    studio: Studio, any_name: str, add_plugin: AddPlugin
) -> None:
    add_plugin(EmbeddingPlugin(name="reviewed", text=JsonFieldSplitter("reviews")))
    await studio.create(any_name, plugin="reviewed")
    await studio.add(any_name, REVIEWS)
    found = await studio.search(any_name, query="easy to set up", track=False)
    assert (found["results"][0]["id"], found["results"][0]["part_id"]) == ("tent", "1")
    assert found["results"][0]["score"] == pytest.approx(1.0, abs=1e-3)
    assert sorted(one["id"] for one in found["results"]) == ["boots", "tent"]
    assert len(await stored(studio, any_name)) == 4


async def test_an_item_is_found_by_the_weighted_mean_of_its_own_parts(
    studio: Studio, any_name: str, add_plugin: AddPlugin
) -> None:
    text = WeightedFields({"title": 3.0, "description": 1.0})
    add_plugin(EmbeddingPlugin(name="weighted", text=text, aggregate="mean"))
    await studio.create(any_name, plugin="weighted")
    items = [
        {"id": "a", "payload": {"title": "tent", "description": "keeps the rain out"}},
        {"id": "b", "payload": {"title": "boots"}},
    ]
    await studio.add(any_name, items)
    tent, rain, boots = await vectors(studio, any_name, "item", "tent", "keeps the rain out", "boots")
    mean = 3 * tent + rain
    found = await stored(studio, any_name)
    assert found.keys() == {("a", 0), ("b", 0)}
    assert found["a", 0] == pytest.approx(mean / np.linalg.norm(mean), abs=1e-4)
    assert found["b", 0] == pytest.approx(boots, abs=1e-4)


async def test_a_long_text_is_searchable_to_its_last_word(studio: Studio, any_name: str, add_plugin: AddPlugin) -> None:
    add_plugin(
        EmbeddingPlugin(
            name="pages", text=Text(FieldsText(("html",)), clean=(StripHtml(),), split=TokenSplitter(64, overlap=8))
        )
    )
    await studio.create(any_name, plugin="pages")
    html = f"<p>{'the committee met again. ' * 200}</p><script>x()</script><p>A volcano erupted in Iceland.</p>"
    await studio.add(any_name, [{"id": "page", "payload": {"html": html}}])
    found = await studio.search(any_name, query="volcano eruption", track=False)
    item = (await studio.client.get(f"/api/v1/collections/{any_name}/items/page")).json()
    part = next(one for one in item["parts"] if one["part_id"] == found["results"][0]["part_id"])
    assert "volcano" in part["text"]
    assert not any("script" in one["text"] for one in item["parts"])


@pytest.fixture(scope="module")
def clip(studio: Studio, tmp_path_factory: pytest.TempPathFactory) -> ClipEncoder:
    """A tiny CLIP of random weights, exported where the studio looks."""
    encoder = ClipEncoder(save_clip(tmp_path_factory.mktemp("clip")))
    export_missing([encoder.build()], studio.container.settings.inference.encoders)
    return encoder


def png(color: str) -> bytes:
    file = BytesIO()
    Image.new("RGB", (40, 40), color).save(file, "PNG")
    return file.getvalue()


async def test_images_and_texts_of_an_item_are_its_parts(
    studio: Studio, any_name: str, add_plugin: AddPlugin, clip: ClipEncoder
) -> None:
    add_plugin(
        EmbeddingPlugin(
            name="pictures",
            encoder=clip,
            text=FieldsText(("title",)),
            images=ImageFields(("pictures",)),
            preprocessing=ImagePreprocessing(size=SIZE),
        )
    )
    await studio.create(any_name, plugin="pictures")
    pictures = [base64.b64encode(png(color)).decode() for color in ("red", "blue")]
    task = await studio.add(any_name, [{"id": "flag", "payload": {"title": "flag", "pictures": pictures}}])
    assert task["state"] == "succeeded", task
    found = await stored(studio, any_name)
    assert found.keys() == {("flag", 0), ("flag", 1), ("flag", 2)}
    assert not np.allclose(found["flag", 1], found["flag", 2])

    bomb = base64.b64encode(png("red")[:50]).decode()
    task = await studio.add(
        any_name, [{"id": "bad", "payload": {"pictures": [bomb]}}, {"id": "good", "payload": {"title": "x"}}]
    )
    assert (task["state"], [(one["id"], one["stage"]) for one in task["failed_items"]]) == (
        "partial",
        [("bad", "load")],
    )


async def test_photographs_are_pulled_in_and_found_by_their_own_vector(
    studio: Studio, any_name: str, add_plugin: AddPlugin, clip: ClipEncoder
) -> None:
    photos = data_set("grocery") / "photos"
    names = await asyncio.to_thread(lambda: sorted(path.name for path in photos.glob("*.jpg")))
    add_plugin(
        EmbeddingPlugin(
            name="photos",
            encoder=clip,
            text=None,
            images=ImageFields((), loader="photos"),
            preprocessing=ImagePreprocessing(size=SIZE),
            loaders={"photos": FileLoader(photos, "*.jpg")},
        )
    )
    await studio.create(any_name, plugin="photos")
    body = {"loader": "photos"}
    answer = await studio.client.post(f"/api/v1/collections/{any_name}/ingest", json=body)
    task = await studio.work(answer.json()["task_id"])
    assert (task["state"], task["progress"]["done"]) == ("succeeded", len(names)), task
    found = await stored(studio, any_name)
    assert {item_id for item_id, _ in found} == set(names)
    (item_id, _), vector = next(iter(found.items()))
    hits = (await studio.search(any_name, query={"vector": vector.tolist()}, track=False))["results"]
    assert hits[0]["score"] == pytest.approx(1.0, abs=1e-4)
    assert item_id in {hit["id"] for hit in hits if hit["score"] == pytest.approx(hits[0]["score"], abs=1e-6)}


async def test_a_changed_picture_is_embedded_again_and_the_same_one_is_not(
    studio: Studio, any_name: str, add_plugin: AddPlugin, clip: ClipEncoder, tmp_path: Path
) -> None:
    add_plugin(
        EmbeddingPlugin(
            name="files",
            encoder=clip,
            text=None,
            images=ImageFields((), loader="files"),
            preprocessing=ImagePreprocessing(size=SIZE),
            loaders={"files": FileLoader(tmp_path, "*.png")},
        )
    )
    await studio.create(any_name, plugin="files")
    await asyncio.to_thread((tmp_path / "a.png").write_bytes, png("red"))
    item = {"id": "a", "payload": {"path": "a.png"}, "source": {"path": "a.png"}}
    url = f"/api/v1/collections/{any_name}/items"

    async def content_hash() -> str:
        assert (await studio.add(any_name, [item]))["state"] == "succeeded"
        return str((await studio.client.get(f"{url}/a")).json()["content_hash"])

    first, again = await content_hash(), await content_hash()
    await asyncio.to_thread((tmp_path / "a.png").write_bytes, png("blue"))
    assert first == again != await content_hash()
