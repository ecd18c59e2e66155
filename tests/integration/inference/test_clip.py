"""A served CLIP against sentence-transformers on the same weights."""

import csv
import shutil
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.numpy import load_file, save_file
from sentence_transformers import SentenceTransformer

from clip import DIMENSIONS, SIZE, save_clip
from data_sets import data_set
from embedding_studio.inference import BrokenModelError, Encoders, InferenceSettings, OnnxEncoder
from embedding_studio.inference import encoders as module
from embedding_studio.inference.actors import export_missing
from embedding_studio.kernel.errors import InvalidError, UnavailableError
from embedding_studio.sdk.encoder import ClipEncoder, EncoderSource
from embedding_studio.sdk.images import ImagePreprocessing
from embedding_studio.sdk.splitting import TokenSplitter

pytestmark = pytest.mark.anyio

Pixels = NDArray[np.uint8]
TEXTS = [f"the photograph of {count} red apples" for count in range(12)]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> EncoderSource:
    return ClipEncoder(save_clip(tmp_path_factory.mktemp("clip") / "model")).build()


@pytest.fixture(scope="module")
def exports(source: EncoderSource, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exports")
    export_missing([source], folder)
    return folder


@pytest.fixture(scope="module")
def encoder(source: EncoderSource, exports: Path) -> OnnxEncoder:
    return OnnxEncoder.load(exports / source.key, threads=1)


@pytest.fixture(scope="module")
def model(source: EncoderSource) -> SentenceTransformer:
    torch.set_num_threads(1)
    return SentenceTransformer(source.model, device="cpu")


@pytest.fixture(scope="module")
def photos() -> list[Path]:
    folder = data_set("grocery")
    with (folder / "photos.tsv").open(encoding="utf-8") as lines:
        return [folder / path for path, _ in csv.reader(lines, delimiter="\t")]


@pytest.fixture
async def own(exports: Path) -> AsyncIterator[Encoders]:
    found = Encoders(InferenceSettings(encoders=exports, threads=1))
    yield found
    found.close()


@pytest.fixture
def pixels() -> list[Pixels]:
    noise = np.random.default_rng(1).integers(0, 256, (11, SIZE, SIZE, 3), np.uint8)
    return list(noise)


def test_photographs_match_sentence_transformers(
    encoder: OnnxEncoder, model: SentenceTransformer, photos: list[Path]
) -> None:
    decode = ImagePreprocessing(size=SIZE).build()
    vectors = encoder.encode_images([decode(path.read_bytes()) for path in photos])
    pictures = [Image.open(path) for path in photos]
    assert vectors.shape == (len(photos), DIMENSIONS)
    assert vectors.dtype == np.float32
    assert np.abs(vectors - model.encode(pictures, normalize_embeddings=True)).max() <= 1e-5


def test_texts_match_sentence_transformers_in_the_same_space(encoder: OnnxEncoder, model: SentenceTransformer) -> None:
    texts = [*TEXTS, "", "the " * 100]
    expected = model.encode(texts, normalize_embeddings=True)
    for kind in ("query", "item"):
        assert np.abs(encoder.encode(texts, kind) - expected).max() <= 1e-5


def test_images_come_in_their_order_whatever_the_batch(encoder: OnnxEncoder, pixels: list[Pixels]) -> None:
    vectors = encoder.encode_images(pixels)
    alone = np.concatenate([encoder.encode_images([image]) for image in pixels])
    assert np.abs(vectors - alone).max() <= 1e-6
    assert encoder.encode_images([]).shape == (0, DIMENSIONS)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((SIZE, SIZE + 1, 3), np.uint8),
        np.zeros((SIZE, SIZE, 4), np.uint8),
        np.zeros((SIZE, SIZE), np.uint8),
        np.zeros((SIZE, SIZE, 3), np.float32),
    ],
    ids=lambda image: f"{image.shape} {image.dtype}",
)
def test_an_image_of_another_shape_is_refused(encoder: OnnxEncoder, image: Pixels) -> None:
    with pytest.raises(InvalidError, match=f"{SIZE} x {SIZE} x 3"):
        encoder.encode_images([np.zeros((SIZE, SIZE, 3), np.uint8), image])


def test_an_encoder_of_texts_takes_no_images(encoder_folder: Path, pixels: list[Pixels]) -> None:
    with pytest.raises(InvalidError, match="takes no images"):
        OnnxEncoder.load(encoder_folder, threads=1).encode_images(pixels)


async def test_a_process_serves_both_sides(own: Encoders, source: EncoderSource, pixels: list[Pixels]) -> None:
    assert (await own.encode(source, TEXTS, "item")).shape == (12, DIMENSIONS)
    assert (await own.encode(source, TEXTS[:1], "query")).shape == (1, DIMENSIONS)
    assert (await own.encode_images(source, pixels)).shape == (11, DIMENSIONS)


async def test_images_wait_with_the_bulk(
    own: Encoders, source: EncoderSource, pixels: list[Pixels], monkeypatch: pytest.MonkeyPatch
) -> None:
    await own.encode(source, TEXTS[:1], "query")
    go = threading.Event()
    blocked = own._bulk.submit(go.wait, 10)
    try:
        assert (await own.encode(source, TEXTS[:1], "query")).shape == (1, DIMENSIONS)
        assert not blocked.done()
    finally:
        go.set()
    monkeypatch.setattr(module, "_BULK_WAITING", 0)
    with pytest.raises(UnavailableError, match="too many batches"):
        await own.encode_images(source, pixels)


async def test_the_tokenizer_splits_texts_for_the_encoder(own: Encoders, source: EncoderSource) -> None:
    tokenizer = await own.tokenizer_of(source)
    pieces = TokenSplitter(24).build(tokenizer)("the red apple " * 20)
    assert len(pieces) > 1
    assert all(len(tokenizer.encode(piece).ids) <= 24 for piece in pieces)
    with pytest.raises(ValueError, match="the model takes 24 tokens"):
        TokenSplitter(25).build(tokenizer)


@pytest.fixture
def broken(source: EncoderSource, exports: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(exports / source.key, tmp_path / source.key))


@pytest.mark.parametrize("name", ["image.onnx", "image_canaries.safetensors"])
def test_a_missing_file_is_named(broken: Path, name: str) -> None:
    (broken / name).unlink()
    with pytest.raises(UnavailableError, match=name):
        OnnxEncoder.load(broken, threads=1)


@pytest.mark.parametrize("name", ["image.onnx", "image_canaries.safetensors"])
def test_a_file_of_another_kind_is_named(broken: Path, name: str) -> None:
    (broken / name).write_bytes(b"{}")
    with pytest.raises(InvalidError, match=name):
        OnnxEncoder.load(broken, threads=1)


async def test_an_encoder_that_sees_otherwise_is_our_fault(
    broken: Path, source: EncoderSource, pixels: list[Pixels]
) -> None:
    canaries = load_file(broken / "image_canaries.safetensors")
    canaries["vectors"][0, 0] += 0.01
    save_file(canaries, broken / "image_canaries.safetensors")
    own = Encoders(InferenceSettings(encoders=broken.parent, threads=1))
    with pytest.raises(BrokenModelError, match="canaries"):
        await own.encode_images(source, pixels)
    own.close()
