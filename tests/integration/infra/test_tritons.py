"""Two real Tritons with one repository: both have every model, and either may go while queries come."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from embedding_studio.inference import TritonSettings
from embedding_studio.inference.onnx import OnnxEncoder
from embedding_studio.inference.triton import TritonModels, open_triton_models
from embedding_studio.infra.embedded import Server
from embedding_studio.kernel.errors import UnavailableError
from embedding_studio.ml.export import export_encoder
from servers import answered_requests, loaded_models, triton_server
from small_encoder import save_small_encoder

pytestmark = [pytest.mark.anyio, pytest.mark.integration]

MODEL = "small"
TEXTS = ["red sofa", "a couch", "my blue lamp"]


@pytest.fixture(scope="module")
def exports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exports")
    export_encoder(save_small_encoder(tmp_path_factory.mktemp("small")), folder / MODEL)
    return folder


@pytest.fixture(scope="module")
def encoder(exports: Path) -> OnnxEncoder:
    return OnnxEncoder.load(exports / MODEL, threads=1)


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Server]]:
    folder = tmp_path_factory.mktemp("tritons")
    with triton_server(folder / "a", folder / "models") as one, triton_server(folder / "b", folder / "models") as other:
        yield one, other


@pytest.fixture
async def models(servers: tuple[Server, Server], exports: Path) -> AsyncIterator[TritonModels]:
    """The models of both, which have one."""
    repository = servers[0].child.log.parents[2] / "models"
    url = ",".join(server.url for server in servers)
    settings = TritonSettings(url=url, repository=repository, backend="python", manages=True, timeout=60)
    async with open_triton_models(settings, exports) as made:
        await made.make_ready(MODEL)
        yield made
        await made.retire(await made.keys())


async def loaded(server: Server) -> set[str]:
    return await asyncio.to_thread(loaded_models, server.url)


async def query(models: TritonModels, encoder: OnnxEncoder) -> NDArray[np.float32]:
    async def never() -> OnnxEncoder:
        raise AssertionError("Triton embeds")

    engine = models.engine(MODEL, dimensions=encoder.description.dimensions, in_process=never)  # type: ignore[arg-type]
    return await engine.embed(encoder.texts.read(TEXTS, "query"))


async def test_both_have_the_model_and_take_turns(
    models: TritonModels, servers: tuple[Server, Server], encoder: OnnxEncoder
) -> None:
    before = [await asyncio.to_thread(answered_requests, one.url, MODEL) for one in servers]
    for _ in range(20):
        assert np.abs(await query(models, encoder) - encoder.encode(TEXTS, "query")).max() <= 1e-5
    after = [await asyncio.to_thread(answered_requests, one.url, MODEL) for one in servers]
    assert [now - then for now, then in zip(after, before, strict=True)] == [10, 10]
    await models.retire({MODEL})
    assert [await loaded(one) for one in servers] == [set(), set()]


async def test_no_query_fails_while_one_is_killed_and_comes_back_empty(
    models: TritonModels, servers: tuple[Server, Server], encoder: OnnxEncoder
) -> None:
    one, other = servers
    is_over = asyncio.Event()

    async def ask_all_the_time() -> int:
        answered = 0
        while not is_over.is_set():
            assert (await query(models, encoder)).shape == (3, 32)
            answered += 1
        return answered

    async with asyncio.timeout(120):
        asking = [asyncio.create_task(ask_all_the_time()) for _ in range(4)]
        one.child.kill()
        with pytest.raises(UnavailableError, match="does not answer"):
            await models.make_ready(MODEL)
        one.child.start()
        await asyncio.to_thread(one.url_when_ready)
        assert (await loaded(one), await loaded(other)) == (set(), {MODEL})
        await query(models, encoder)
        while await loaded(one) != {MODEL}:
            with suppress(UnavailableError):  # a channel that broke waits up to a second before it tries once more
                await models.make_ready(MODEL)
            await asyncio.sleep(0.05)
        is_over.set()
        assert min(await asyncio.gather(*asking)) > 0
