"""The encoders of a process: ready, not ready, broken or busy."""

import json
import shutil
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from clip import DIMENSIONS
from embedding_studio.inference import BrokenModelError, EncoderNotReadyError, Encoders, InferenceSettings
from embedding_studio.inference import encoders as module
from embedding_studio.kernel.errors import UnavailableError
from embedding_studio.sdk import EmbeddingPlugin, EncoderSource, SentenceEncoder, TokenSplitter
from studio import Studio

pytestmark = pytest.mark.anyio

SOURCE = SentenceEncoder().build()
TEXTS = [f"a film about the number {n}" for n in range(12)]


@pytest.fixture
async def own(encoders: Path) -> AsyncIterator[Encoders]:
    found = Encoders(InferenceSettings(encoders=encoders, threads=1, waiting_texts=16))
    yield found
    found.close()


async def test_few_texts_and_many_get_the_same_vectors(own: Encoders) -> None:
    many = await own.encode(SOURCE, TEXTS, "item")
    few = np.concatenate([await own.encode(SOURCE, [text], "item") for text in TEXTS])
    assert many.shape == (12, 384)
    assert np.abs(many - few).max() <= 1e-6
    assert await own.dimensions_of(EmbeddingPlugin(name="a")) == 384


async def test_one_that_was_not_exported_is_not_ready(own: Encoders, studio: Studio) -> None:
    other = SentenceEncoder(query_prompt="another: ")
    assert own.missing([SOURCE, other.build()]) == [other.build()]
    with pytest.raises(EncoderNotReadyError, match="embedding-studio export"):
        await own.encode(other.build(), ["a"], "query")
    plugin = EmbeddingPlugin(name="not-ready", encoder=other)
    studio.container.plugins._plugins["not-ready"] = plugin
    answer = await studio.client.post("/api/v1/collections", json={"name": "not-ready", "plugin": "not-ready"})
    del studio.container.plugins._plugins["not-ready"]
    assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
    assert int(answer.headers["retry-after"]) > 0
    assert (await studio.client.get("/api/v1/collections/not-ready")).status_code == 404


async def test_one_is_found_as_soon_as_it_is_exported(encoders: Path, tmp_path: Path) -> None:
    late = Encoders(InferenceSettings(encoders=tmp_path, threads=1))
    with pytest.raises(EncoderNotReadyError):
        await late.encode(SOURCE, ["a"], "query")
    shutil.copytree(encoders / SOURCE.key, tmp_path / SOURCE.key)
    assert (await late.encode(SOURCE, ["a"], "query")).shape == (1, 384)
    late.close()


async def test_one_that_was_changed_is_our_fault_and_not_the_clients(encoders: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(encoders / SOURCE.key, tmp_path / SOURCE.key))
    description = json.loads((folder / "encoder.json").read_text())
    (folder / "encoder.json").write_text(json.dumps({**description, "graph_sha256": "0" * 64}))
    broken = Encoders(InferenceSettings(encoders=tmp_path, threads=1))
    with pytest.raises(BrokenModelError, match=r"model\.onnx") as caught:
        await broken.encode(SOURCE, ["a"], "query")
    assert isinstance(caught.value, UnavailableError)
    assert not caught.value.retryable
    broken.close()


async def test_large_batches_are_refused_once_too_many_wait(own: Encoders, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BULK_WAITING", 0)
    with pytest.raises(UnavailableError, match="too many batches"):
        await own.encode(SOURCE, TEXTS, "item")
    assert (await own.encode(SOURCE, TEXTS[:1], "item")).shape == (1, 384)


async def test_bulk_does_not_delay_a_search(own: Encoders) -> None:
    await own.encode(SOURCE, TEXTS[:1], "query")
    go = threading.Event()
    blocked = own._bulk.submit(go.wait, 10)
    try:
        assert (await own.encode(SOURCE, TEXTS[:1], "query")).shape == (1, 384)
        assert not blocked.done()
    finally:
        go.set()


@pytest.fixture
async def clips(clip_folder: Path) -> AsyncIterator[Encoders]:
    found = Encoders(InferenceSettings(encoders=clip_folder.parent, threads=1))
    yield found
    found.close()


async def test_a_process_serves_both_sides(
    clips: Encoders, clip_source: EncoderSource, images: list[NDArray[np.uint8]]
) -> None:
    assert (await clips.encode(clip_source, TEXTS, "item")).shape == (12, DIMENSIONS)
    assert (await clips.encode(clip_source, TEXTS[:1], "query")).shape == (1, DIMENSIONS)
    assert (await clips.encode_images(clip_source, images)).shape == (11, DIMENSIONS)


async def test_images_wait_with_the_bulk(
    clips: Encoders, clip_source: EncoderSource, images: list[NDArray[np.uint8]], monkeypatch: pytest.MonkeyPatch
) -> None:
    await clips.encode(clip_source, TEXTS[:1], "query")
    go = threading.Event()
    blocked = clips._bulk.submit(go.wait, 10)
    try:
        assert (await clips.encode(clip_source, TEXTS[:1], "query")).shape == (1, DIMENSIONS)
        assert not blocked.done()
    finally:
        go.set()
    monkeypatch.setattr(module, "_BULK_WAITING", 0)
    with pytest.raises(UnavailableError, match="too many batches"):
        await clips.encode_images(clip_source, images)


async def test_the_tokenizer_splits_texts_for_the_encoder(clips: Encoders, clip_source: EncoderSource) -> None:
    tokenizer = await clips.tokenizer_of(clip_source)
    pieces = TokenSplitter(24).build(tokenizer)("the red apple " * 20)
    assert len(pieces) > 1
    assert all(len(tokenizer.encode(piece).ids) <= 24 for piece in pieces)
    with pytest.raises(ValueError, match="the model takes 24 tokens"):
        TokenSplitter(25).build(tokenizer)


@pytest.fixture
async def crosses(cross_folder: Path) -> AsyncIterator[Encoders]:
    found = Encoders(InferenceSettings(encoders=cross_folder.parent, threads=1, score_timeout=60))
    yield found
    found.close()


async def test_pairs_are_scored(crosses: Encoders, cross_source: EncoderSource) -> None:
    scores = await crosses.score_pairs(cross_source, "a film", TEXTS)
    one_by_one = [await crosses.score_pairs(cross_source, "a film", [text]) for text in TEXTS]
    assert scores.shape == (12,)
    assert np.abs(scores - np.concatenate(one_by_one)).max() <= 1e-6


async def test_pairs_that_are_too_many_are_refused(crosses: Encoders, cross_source: EncoderSource) -> None:
    with pytest.raises(UnavailableError, match="too many texts"):
        await crosses.score_pairs(cross_source, "a film", ["a text"] * 201)
    assert (await crosses.score_pairs(cross_source, "a film", ["a text"] * 200)).shape == (200,)


async def test_a_cross_encoder_that_was_not_exported_is_not_ready(own: Encoders, cross_source: EncoderSource) -> None:
    with pytest.raises(EncoderNotReadyError, match="embedding-studio export"):
        await own.score_pairs(cross_source, "a film", ["a text"])


async def test_scores_that_do_not_come_in_time_are_not_waited_for(
    crosses: Encoders, cross_source: EncoderSource
) -> None:
    await crosses.score_pairs(cross_source, "a film", ["a text"])
    go = threading.Event()
    crosses._scoring.submit(go.wait, 10)
    crosses._settings = crosses._settings.model_copy(update={"score_timeout": 0.01})
    try:
        with pytest.raises(TimeoutError):
            await crosses.score_pairs(cross_source, "a film", ["a text"])
    finally:
        go.set()
    crosses._settings = crosses._settings.model_copy(update={"score_timeout": 60})
    assert (await crosses.score_pairs(cross_source, "a film", ["a text"])).shape == (1,)
