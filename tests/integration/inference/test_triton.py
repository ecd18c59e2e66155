"""A real Triton behind the port of engines: the same vectors, models that come and go, and what is said without it."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from embedding_studio.inference import Encoders, InferenceSettings, TritonSettings
from embedding_studio.inference.engines import Engine
from embedding_studio.inference.onnx import OnnxEncoder
from embedding_studio.inference.texts import Tokens
from embedding_studio.inference.triton import TritonEngine, TritonModels, open_triton_models
from embedding_studio.infra.tritons import open_tritons
from embedding_studio.kernel.errors import InvalidError, UnavailableError
from embedding_studio.sdk import SentenceEncoder
from servers import answered_requests, loaded_models

pytestmark = [pytest.mark.anyio, pytest.mark.integration]

TEXTS = ["red sofa", "a couch", "my blue lamp " * 9, "x", "", "green table and black knife"]
NOBODY = "127.0.0.1:9"


class Instead:
    """An engine that takes over, and how often it was asked."""

    def __init__(self, encoder: OnnxEncoder) -> None:
        self.asked = self.read = 0
        self._encoder = encoder

    async def __call__(self) -> Engine:
        self.read += 1
        return self

    async def embed(self, tokens: Sequence[Tokens], *, bulk: bool = False) -> NDArray[np.float32]:
        assert not bulk
        self.asked += 1
        return self._encoder.encode_tokens(tokens)

    async def embed_images(self, images: object) -> NDArray[np.float32]:
        raise NotImplementedError


@pytest.fixture
def one(small: Path) -> OnnxEncoder:
    return OnnxEncoder.load(small / "one", threads=1)


async def asked(models: TritonModels, key: str, encoder: OnnxEncoder, texts: list[str]) -> NDArray[np.float32]:
    engine = models.engine(key, dimensions=encoder.description.dimensions, in_process=Instead(encoder))
    return await engine.embed(encoder.texts.read(texts, "item"))


async def test_the_vectors_are_those_of_the_engine_in_process(triton_models: TritonModels, one: OnnxEncoder) -> None:
    await triton_models.make_ready("one")
    many = [f"a {text}" for text in TEXTS] * 20
    for texts in (TEXTS, TEXTS[:1], many, []):
        found = await asked(triton_models, "one", one, texts)
        assert found.shape == (len(texts), 32)
        assert np.abs(found - one.encode(texts, "item")).max(initial=0) <= 1e-5


async def test_requests_of_other_lengths_at_once_get_their_own(triton_models: TritonModels, one: OnnxEncoder) -> None:
    await triton_models.make_ready("one")
    found = await asyncio.gather(*(asked(triton_models, "one", one, [text]) for text in TEXTS * 10))
    assert np.abs(np.concatenate(found) - one.encode(TEXTS * 10, "item")).max() <= 1e-5


async def test_two_versions_serve_side_by_side_and_one_can_go(
    triton_models: TritonModels, one: OnnxEncoder, small: Path
) -> None:
    two = OnnxEncoder.load(small / "two", threads=1)
    await triton_models.make_ready("one")
    await triton_models.make_ready("two")
    for key, encoder in (("one", one), ("two", two)):
        assert np.abs(await asked(triton_models, key, encoder, TEXTS) - encoder.encode(TEXTS, "item")).max() <= 1e-5
    await triton_models.retire({"one"})
    assert await triton_models.keys() == {"two"}
    with pytest.raises(UnavailableError, match="not loaded") as caught:
        await asked(triton_models, "one", one, TEXTS)
    assert caught.value.retry_after > 0
    assert (await asked(triton_models, "two", two, TEXTS)).shape == (6, 32)


async def test_a_model_is_loaded_once_and_again_where_triton_lost_it(
    triton_models: TritonModels, triton_settings: TritonSettings
) -> None:
    await triton_models.make_ready("one")
    config = triton_settings.repository / "one" / "config.pbtxt"
    written = config.stat().st_mtime_ns
    async with open_tritons(triton_settings.url, ssl=False, channels=1, answer_within=60, load_within=60) as tritons:
        (server,) = (await tritons.servers()).values()
        await server.unload("one")
        assert not await server.is_ready("one")
        await triton_models.make_ready("one")
        assert await asyncio.to_thread(loaded_models, triton_settings.url) == {"one"}
    assert config.stat().st_mtime_ns == written


async def test_what_nobody_waits_for_any_more_is_not_computed(
    triton_models: TritonModels, triton_settings: TritonSettings
) -> None:
    await triton_models.make_ready("one")
    texts = np.ones((32, 16), np.int64)
    inputs = {"input_ids": texts, "attention_mask": texts}
    async with open_tritons(triton_settings.url, ssl=False, channels=1, answer_within=0.05, load_within=5) as hasty:
        requests = [hasty.infer("one", inputs, "embedding", priority=1) for _ in range(300)]
        answers = await asyncio.gather(*requests, return_exceptions=True)
    answered = sum(isinstance(answer, np.ndarray) for answer in answers)
    assert answered < len(answers)
    async with open_tritons(triton_settings.url, ssl=False, channels=1, answer_within=60, load_within=5) as patient:
        await patient.infer("one", inputs, "embedding", priority=1)  # comes after all of them
    assert await asyncio.to_thread(answered_requests, triton_settings.url, "one") < answered + len(answers) // 2


async def test_an_export_that_computes_something_else_never_serves(
    triton_settings: TritonSettings, small: Path, tmp_path: Path
) -> None:
    shutil.copytree(small / "one", tmp_path / "liar")
    shutil.copy(small / "two" / "canaries.json", tmp_path / "liar")
    shutil.copytree(small / "one", tmp_path / "broken")
    (tmp_path / "broken" / "model.onnx").write_bytes(b"half")
    async with open_triton_models(triton_settings, tmp_path) as models:
        with pytest.raises(InvalidError, match="canaries differ"):
            await models.make_ready("liar")
        with pytest.raises(InvalidError, match=r"model\.onnx is not the file"):
            await models.make_ready("broken")
        with pytest.raises(UnavailableError, match="cannot be read"):
            await models.make_ready("unheard-of")
        assert await models.keys() == set()
        assert await asyncio.to_thread(loaded_models, triton_settings.url) == set()
        await models.retire(await models.keys())


async def test_without_triton_the_answer_is_to_come_again(one: OnnxEncoder) -> None:
    async with open_tritons(NOBODY, ssl=False, channels=2, answer_within=5, load_within=5) as tritons:
        engine = TritonEngine(tritons, "one", dimensions=32, in_process=Instead(one))
        with pytest.raises(UnavailableError, match="Triton does not answer") as caught:
            await engine.embed([[1, 2]])
        assert caught.value.retry_after > 0


async def test_without_triton_this_process_takes_over_where_it_may(one: OnnxEncoder) -> None:
    instead = Instead(one)
    async with open_tritons(NOBODY, ssl=False, channels=2, answer_within=5, load_within=5) as tritons:
        engine = TritonEngine(tritons, "one", dimensions=32, in_process=instead, fallback=True)
        tokens = one.texts.read(TEXTS, "query")
        found = [await engine.embed(tokens) for _ in range(3)]
    assert all(np.array_equal(vectors, one.encode(TEXTS, "query")) for vectors in found)
    assert (instead.read, instead.asked) == (1, 3)


@pytest.fixture
async def served(triton_settings: TritonSettings, encoders: Path) -> AsyncIterator[Encoders]:
    settings = InferenceSettings(encoders=encoders, engine="triton", triton=triton_settings)
    async with open_triton_models(triton_settings, encoders) as models:
        found = Encoders(settings, triton=models)
        await found.make_ready(SentenceEncoder().build())
        yield found
        found.close()
        await models.retire(await models.keys())


async def test_a_process_serves_the_base_through_triton(served: Encoders, encoders: Path) -> None:
    source = SentenceEncoder().build()
    own = OnnxEncoder.load(encoders / source.key, threads=1)
    many = [f"a film about the number {number} " * (1 + number % 7) for number in range(70)]
    assert np.abs(await served.encode(source, many, "item") - own.encode(many, "item")).max() <= 1e-5
    found = await asyncio.gather(*(served.encode(source, [text], "query") for text in many))
    assert np.abs(np.concatenate(found) - own.encode(many, "query")).max() <= 1e-5
