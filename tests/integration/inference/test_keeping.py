"""Triton has what is served and what a rollback may need, whatever became of it meanwhile, and nothing else of ours."""

import asyncio
import errno
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from embedding_studio.inference import (
    Encoders,
    Fetcher,
    InferenceSettings,
    ModelKeeper,
    ModelRepository,
    NewEncoder,
    ServedModel,
    TritonSettings,
)
from embedding_studio.inference.triton import TritonModels, open_triton_models
from embedding_studio.infra.embedded import Server
from embedding_studio.kernel.errors import UnavailableError
from embedding_studio.sdk import EncoderSource, SentenceEncoder
from embedding_studio.vector_store import Collection
from servers import loaded_models, triton_server
from studio import Studio

from .models import register

pytestmark = [pytest.mark.anyio, pytest.mark.integration]

BASE = SentenceEncoder().build()
AFTER = timedelta(seconds=60)


@dataclass
class Kept:
    """A keeper with a clock of its own, and what it keeps."""

    models: TritonModels
    keeper: ModelKeeper
    at: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    versions: set[tuple[int, int]] = field(default_factory=set)


@pytest.fixture(scope="module")
def own_triton(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A Triton that may be killed."""
    folder = tmp_path_factory.mktemp("killed")
    with triton_server(folder, folder / "models") as server:
        yield server


@pytest.fixture
async def kept(own_triton: Server, studio: Studio, encoders: Path) -> AsyncIterator[Kept]:
    repository = own_triton.child.log.parents[1] / "models"
    settings = TritonSettings(url=own_triton.url, repository=repository, backend="python", manages=True, timeout=60)
    fetcher = Fetcher(studio.container.objects, encoders)
    async with open_triton_models(settings, encoders) as models:
        served = Encoders(InferenceSettings(encoders=encoders, engine="triton", triton=settings), fetcher, models)

        async def at_hand() -> set[tuple[int, int]]:
            return made.versions

        keeper = ModelKeeper(
            triton=models,
            encoders=served,
            plugins=[BASE],
            versions=studio.container.versions,
            at_hand=(studio.container.catalog.versions_at_hand, at_hand),
            models=ModelRepository(),
            clock=lambda: made.at,
            retire_after=AFTER,
        )
        made = Kept(models, keeper)
        yield made
        await models.retire(await models.keys())
        served.close()


async def loaded(server: Server) -> set[str]:
    return await asyncio.to_thread(loaded_models, server.url)


async def test_a_triton_that_was_killed_is_filled_again(kept: Kept, own_triton: Server) -> None:
    await kept.keeper.tidy()
    assert await loaded(own_triton) == {BASE.key}
    own_triton.child.kill()
    with pytest.raises(UnavailableError, match="does not answer"):
        await kept.keeper.tidy()
    own_triton.child.start()
    own_triton.url_when_ready()
    assert await loaded(own_triton) == set()
    await tidied(kept)
    assert await loaded(own_triton) == {BASE.key}


async def tidied(kept: Kept) -> None:
    """Tidy as a worker does, again and again: a channel that broke waits up to a second before it tries once more."""
    async with asyncio.timeout(60):
        while True:
            with suppress(UnavailableError):
                return await kept.keeper.tidy()
            await asyncio.sleep(0.05)


async def test_what_nobody_needs_is_retired_after_a_while(kept: Kept, own_triton: Server, small: Path) -> None:
    repository = own_triton.child.log.parents[1] / "models"
    settings = TritonSettings(url=own_triton.url, repository=repository, backend="python", manages=True, timeout=60)
    async with open_triton_models(settings, small) as other:
        await other.make_ready("one")
    for passed in (timedelta(), AFTER / 2, AFTER / 4):
        kept.at += passed
        await kept.keeper.tidy()
        assert await loaded(own_triton) == {BASE.key, "one"}
    kept.at += AFTER / 4
    await kept.keeper.tidy()
    assert await loaded(own_triton) == {BASE.key}
    assert await kept.models.keys() == {BASE.key}


@pytest.fixture
async def collection(studio: Studio) -> AsyncIterator[Collection]:
    await studio.create("kept")
    yield await studio.container.collections.current("kept")
    await studio.client.delete("/api/v1/collections/kept")


@pytest.fixture
async def query_encoder(studio: Studio, collection: Collection, encoders: Path, tmp_path: Path) -> tuple[int, str]:
    """A version with an encoder of its own for queries, and that encoder's key."""
    export = encoders / BASE.key
    for name in ("model.onnx", "tokenizer.json", "canaries.json", "encoder.json"):
        (tmp_path / name).write_bytes((export / name).read_bytes())
    encoder = NewEncoder(tmp_path, of_items=False)
    model = await register(
        studio, collection, track="query_encoder", adapter=None, encoder=encoder, start=ServedModel(BASE, BASE)
    )
    assert model.queries
    return model.version, EncoderSource(**model.queries).key  # type: ignore[arg-type]  # `kind` is one of its literals


async def test_what_serves_and_what_a_rollback_would_serve_is_there(
    kept: Kept, own_triton: Server, studio: Studio, query_encoder: tuple[int, str]
) -> None:
    version, key = query_encoder
    await kept.keeper.tidy()
    assert key not in await loaded(own_triton)
    task = await studio.client.post(f"/api/v1/collections/kept/models/{version}/deploy")
    assert (await studio.work(task.json()["task_id"]))["state"] == "succeeded"
    await kept.keeper.tidy()
    assert await loaded(own_triton) == {BASE.key, key}
    task = await studio.client.post("/api/v1/collections/kept/rollback")
    assert (await studio.work(task.json()["task_id"]))["state"] == "succeeded"
    kept.at += AFTER * 2
    await kept.keeper.tidy()
    kept.at += AFTER * 2
    await kept.keeper.tidy()
    assert await loaded(own_triton) == {BASE.key}


async def test_what_was_trained_last_is_there_before_it_is_deployed(
    kept: Kept, own_triton: Server, query_encoder: tuple[int, str]
) -> None:
    kept.versions = set(await ModelRepository().next_at_hand())
    await kept.keeper.tidy()
    assert await loaded(own_triton) == {BASE.key, query_encoder[1]}


async def test_what_an_experiment_or_a_shadow_serves_is_there(
    kept: Kept, own_triton: Server, collection: Collection, query_encoder: tuple[int, str]
) -> None:
    version, key = query_encoder
    kept.versions = {(collection.id, version), (collection.id, 1), (10**6, version)}
    await kept.keeper.tidy()
    assert await loaded(own_triton) == {BASE.key, key}


async def test_one_that_cannot_be_laid_there_keeps_no_other_from_it(
    kept: Kept,
    own_triton: Server,
    collection: Collection,
    query_encoder: tuple[int, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    version, key = query_encoder
    kept.versions = {(collection.id, version)}
    copy = shutil.copyfile

    def full(source: Path, target: Path) -> object:
        if BASE.key in source.parts:
            raise OSError(errno.ENOSPC, "no space left on device")
        return copy(source, target)

    monkeypatch.setattr(shutil, "copyfile", full)
    await kept.keeper.tidy()
    assert await loaded(own_triton) == {key}
    monkeypatch.undo()
    await kept.keeper.tidy()
    assert await loaded(own_triton) == {BASE.key, key}
