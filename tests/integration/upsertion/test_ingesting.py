"""Items are pulled from where a plugin's loader reads them, each once, whatever dies meanwhile."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from numpy.typing import NDArray

from embedding_studio.inference import EmbeddingService
from embedding_studio.kernel.errors import ForbiddenError, UnavailableError
from embedding_studio.sdk import EmbeddingPlugin, FileLoader
from integration.upsertion.conftest import AddPlugin
from studio import Studio

pytestmark = pytest.mark.anyio


def write(folder: Path, name: str, lines: Sequence[object]) -> None:
    text = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
    (folder / name).write_text(text + "\n", encoding="utf-8")


@pytest.fixture
async def goods(studio: Studio, any_name: str, add_plugin: AddPlugin, tmp_path: Path) -> Path:
    """The folder that the collection's loader `files` reads."""
    add_plugin(EmbeddingPlugin(name="goods", loaders={"files": FileLoader(tmp_path, "*.jsonl")}))
    await studio.create(any_name, plugin="goods")
    return tmp_path


async def request(studio: Studio, name: str, **options: object) -> str:
    body = {"loader": "files", "options": options}
    answer = await studio.client.post(f"/api/v1/collections/{name}/ingest", json=body)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["task_id"])


async def titles(studio: Studio, name: str) -> dict[str, str]:
    collection = await studio.container.collections.current(name)
    rows = await studio.container.pool.fetch(f"SELECT id, payload FROM items_{collection.id}")
    return {row["id"]: row["payload"]["title"] for row in rows}


async def test_all_that_can_be_read_is_searchable_and_the_rest_is_reported(
    studio: Studio, any_name: str, goods: Path
) -> None:
    lamp, long = {"id": "lamp", "title": "standing lamp"}, {"id": "x" * 600, "title": "long"}
    write(goods, "a.jsonl", [{"id": "sofa", "title": "red sofa"}, "{no json", long, {"id": "mute", "price": 3}, lamp])
    task = await studio.work(await request(studio, any_name))
    assert (task["kind"], task["state"], task["failed_total"]) == ("ingest", "partial", 3)
    assert [one["stage"] for one in task["failed_items"]] == ["load", "load", "split"]
    assert task["progress"] == {"done": 5, "total": 5}
    assert await titles(studio, any_name) == {"sofa": "red sofa", "lamp": "standing lamp"}


async def test_an_ingest_that_died_goes_on_where_it_was(
    studio: Studio, any_name: str, goods: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("embedding_studio.upsertion.ingesting._RECORDS", 5)
    write(goods, "a.jsonl", [{"id": f"i{n}", "title": f"sofa {n}"} for n in range(23)])
    embed = EmbeddingService.embed_items
    seen: list[str] = []

    async def embed_items(self: EmbeddingService, source: Any, texts: Sequence[str]) -> NDArray[Any]:
        if any(f"sofa {number}" in texts for number in (7, 16)) and seen.count(texts[0]) < 1:
            seen.append(texts[0])
            raise UnavailableError("gone")
        seen.append(texts[0])
        return await embed(self, source, texts)

    monkeypatch.setattr(EmbeddingService, "embed_items", embed_items)
    task_id = await request(studio, any_name)
    while (task := await studio.work(task_id))["state"] == "pending":
        await studio.container.database["tasks"].update_one({"_id": task_id}, {"$set": {"not_before": None}})
    assert (task["state"], task["attempts"], task["progress"]) == ("succeeded", 3, {"done": 23, "total": 23})
    assert await titles(studio, any_name) == {f"i{n}": f"sofa {n}" for n in range(23)}


async def test_whatever_was_written_since_the_ingest_was_asked_for_is_newer(
    studio: Studio, any_name: str, goods: Path
) -> None:
    write(goods, "a.jsonl", [{"id": "sofa", "title": "from the file"}, {"id": "lamp", "title": "lamp"}])
    task_id = await request(studio, any_name)
    url = f"/api/v1/collections/{any_name}/items"
    await studio.client.put(f"{url}/sofa", json={"payload": {"title": "put"}})
    await studio.client.put(f"{url}/lamp", json={"payload": {"title": "put"}})
    await studio.client.delete(f"{url}/lamp")
    await studio.work(task_id)
    assert await titles(studio, any_name) == {"sofa": "put"}
    again = await request(studio, any_name)
    await studio.work(again)
    assert await titles(studio, any_name) == {"sofa": "from the file", "lamp": "lamp"}


async def test_options_narrow_down_what_is_read(studio: Studio, any_name: str, goods: Path) -> None:
    for name in ("a", "b"):
        write(goods, f"{name}.jsonl", [{"id": name, "title": name}])
    await studio.work(await request(studio, any_name, prefix="b"))
    assert await titles(studio, any_name) == {"b": "b"}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"loader": "none"}, "loader"),
        ({"loader": "files", "options": {"root": "/"}}, "options.root"),
        ({"loader": "files", "options": {"prefix": 1}}, "options.prefix"),
        ({"options": {}}, "loader"),
    ],
)
@pytest.mark.usefixtures("goods")
async def test_a_bad_wish_is_refused(studio: Studio, any_name: str, body: dict[str, Any], field: str) -> None:
    answer = await studio.client.post(f"/api/v1/collections/{any_name}/ingest", json=body)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, field)


async def test_of_two_records_with_one_id_the_later_counts_even_when_the_earlier_is_tried_again(
    studio: Studio, any_name: str, goods: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(goods, "a.jsonl", [{"id": "sofa", "title": "first"}, {"id": "sofa", "title": "second"}])
    embed = EmbeddingService.embed_items

    async def embed_items(self: EmbeddingService, source: Any, texts: Sequence[str]) -> NDArray[Any]:
        if "first" in texts:
            raise RuntimeError("the graph failed")
        return await embed(self, source, texts)

    task_id = await request(studio, any_name)
    with monkeypatch.context() as poison:
        poison.setattr(EmbeddingService, "embed_items", embed_items)
        assert (await studio.work(task_id))["state"] == "partial"
    await studio.client.post(f"/api/v1/tasks/{task_id}/retry")
    assert (await studio.work(task_id))["state"] == "succeeded"
    assert await titles(studio, any_name) == {"sofa": "second"}


async def test_an_ingest_whose_source_was_closed_reads_all_of_it_on_a_retry(
    studio: Studio, any_name: str, goods: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(goods, "a.jsonl", [{"id": "sofa", "title": "sofa"}])

    def closed(*_: object) -> None:
        raise ForbiddenError("the credentials do not open it")

    task_id = await request(studio, any_name)
    with monkeypatch.context() as refused:
        refused.setattr("embedding_studio.upsertion.ingesting.build_loader", closed)
        assert (await studio.work(task_id))["state"] == "failed"
    await studio.container.pool.execute("UPDATE staged_tasks SET staged_at = now() - interval '1 hour'")
    await studio.container.sweeper._chores[0]()
    await studio.client.post(f"/api/v1/tasks/{task_id}/retry")
    assert (await studio.work(task_id))["state"] == "succeeded"
    assert await titles(studio, any_name) == {"sofa": "sofa"}
