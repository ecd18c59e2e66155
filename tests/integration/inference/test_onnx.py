"""The served encoder against sentence-transformers on the same weights."""

import csv
import json
import shutil
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import torch
from bokeh_sampledata.movies_data import movie_path
from numpy.typing import NDArray
from PIL import Image
from safetensors.numpy import load_file, save_file
from sentence_transformers import SentenceTransformer

from clip import DIMENSIONS, SIZE
from data_sets import data_set
from embedding_studio.inference.onnx import OnnxEncoder
from embedding_studio.kernel.errors import InvalidError, UnavailableError
from embedding_studio.ml.sources import load_model
from embedding_studio.sdk.encoder import EncoderSource
from embedding_studio.sdk.images import ImagePreprocessing

Pixels = NDArray[np.uint8]

LONG = "A detective who cannot sleep walks through the rain. " * 60


@pytest.fixture(scope="module")
def encoder(encoder_folder: Path) -> OnnxEncoder:
    return OnnxEncoder.load(encoder_folder, threads=1)


@pytest.fixture(scope="module")
def model() -> Iterator[SentenceTransformer]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield load_model("all-MiniLM-L6-v2")
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def texts() -> list[str]:
    with closing(sqlite3.connect(f"file:{movie_path}?mode=ro", uri=True)) as films:
        rows = films.execute("SELECT Title, Year, Genre FROM omdb ORDER BY ID LIMIT 1000")
        return [f"{title} ({year}): {genre}" for title, year, genre in rows]


def test_a_thousand_real_texts_match_sentence_transformers(
    encoder: OnnxEncoder, model: SentenceTransformer, texts: list[str]
) -> None:
    vectors = encoder.encode(texts, "item")
    assert vectors.shape == (1000, 384)
    assert vectors.dtype == np.float32
    assert np.abs(vectors - model.encode(texts)).max() <= 1e-5


def test_a_text_longer_than_the_maximum_is_cut_alike(encoder: OnnxEncoder, model: SentenceTransformer) -> None:
    vectors = encoder.encode([LONG], "item")
    assert np.abs(vectors - model.encode([LONG])).max() <= 1e-5
    np.testing.assert_array_equal(vectors, encoder.encode([LONG + "and then the sun came out"], "item"))


def test_a_prompt_stands_before_texts_of_its_kind_only(encoder: OnnxEncoder, model: SentenceTransformer) -> None:
    query, item = (encoder.encode(["old westerns"], kind) for kind in ("query", "item"))
    assert np.abs(query - model.encode(["query: old westerns"])).max() <= 1e-5
    assert np.abs(item - model.encode(["old westerns"])).max() <= 1e-5


def test_longer_neighbours_do_not_change_a_vector(encoder: OnnxEncoder) -> None:
    alone = encoder.encode(["old westerns"], "item")[0]
    beside = encoder.encode(["old westerns", LONG, LONG[:500]], "item")[0]
    assert np.abs(alone - beside).max() <= 1e-6


def test_vectors_come_in_the_order_of_the_texts(encoder: OnnxEncoder, texts: list[str]) -> None:
    mixed = [texts[0], LONG, *texts[1:50], LONG[:300]]
    vectors = encoder.encode(mixed, "item")
    for row in (0, 1, 30, len(mixed) - 1):
        assert np.abs(vectors[row] - encoder.encode([mixed[row]], "item")[0]).max() <= 1e-6


def test_no_text_and_an_empty_text(encoder: OnnxEncoder) -> None:
    assert encoder.encode([], "query").shape == (0, 384)
    assert np.linalg.norm(encoder.encode([""], "item")) == pytest.approx(1, abs=1e-5)


def test_threads_may_share_an_encoder(encoder: OnnxEncoder, texts: list[str]) -> None:
    expected = encoder.encode(texts[:64], "item")
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda start: encoder.encode(texts[start : start + 4], "item"), range(0, 64, 4)))
    assert np.abs(np.concatenate(found) - expected).max() <= 1e-6


@pytest.fixture(scope="module")
def clip(clip_folder: Path) -> OnnxEncoder:
    return OnnxEncoder.load(clip_folder, threads=1)


@pytest.fixture(scope="module")
def clip_model(clip_source: EncoderSource) -> Iterator[SentenceTransformer]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield SentenceTransformer(clip_source.model, device="cpu")
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def photos() -> list[Path]:
    folder = data_set("grocery")
    with (folder / "photos.tsv").open(encoding="utf-8") as lines:
        return [folder / path for path, _ in csv.reader(lines, delimiter="\t")]


def test_photographs_match_sentence_transformers(
    clip: OnnxEncoder, clip_model: SentenceTransformer, photos: list[Path]
) -> None:
    decode = ImagePreprocessing(size=SIZE).build()
    vectors = clip.encode_images([decode(path.read_bytes()) for path in photos])
    pictures = [Image.open(path) for path in photos]
    assert vectors.shape == (len(photos), DIMENSIONS)
    assert vectors.dtype == np.float32
    assert np.abs(vectors - clip_model.encode(pictures, normalize_embeddings=True)).max() <= 1e-5


def test_texts_of_a_clip_match_too(clip: OnnxEncoder, clip_model: SentenceTransformer) -> None:
    texts = [*(f"{count} red apples" for count in range(40)), "", "the " * 100]
    expected = clip_model.encode(texts, normalize_embeddings=True)
    for kind in ("query", "item"):
        assert np.abs(clip.encode(texts, kind) - expected).max() <= 1e-5


def test_images_come_in_their_order_whatever_the_batch(clip: OnnxEncoder, images: list[Pixels]) -> None:
    vectors = clip.encode_images(images)
    alone = np.concatenate([clip.encode_images([image]) for image in images])
    assert np.abs(vectors - alone).max() <= 1e-6
    assert clip.encode_images([]).shape == (0, DIMENSIONS)


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
def test_an_image_of_another_shape_is_refused(clip: OnnxEncoder, image: Pixels) -> None:
    with pytest.raises(InvalidError, match=f"{SIZE} x {SIZE} x 3"):
        clip.encode_images([np.zeros((SIZE, SIZE, 3), np.uint8), image])


def test_an_encoder_of_texts_takes_no_images(encoder: OnnxEncoder, images: list[Pixels]) -> None:
    with pytest.raises(InvalidError, match="takes no images"):
        encoder.encode_images(images)


@pytest.fixture
def broken(encoder_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(encoder_folder, tmp_path / "broken"))


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json"])
def test_a_changed_file_is_refused(broken: Path, name: str) -> None:
    content = bytearray((broken / name).read_bytes())
    content[len(content) // 2] ^= 1
    (broken / name).write_bytes(content)
    with pytest.raises(InvalidError, match=name):
        OnnxEncoder.load(broken, threads=1)


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json", "canaries.json", "encoder.json"])
def test_a_missing_file_is_named(broken: Path, name: str) -> None:
    (broken / name).unlink()
    with pytest.raises(UnavailableError, match=name):
        OnnxEncoder.load(broken, threads=1)


@pytest.mark.parametrize("name", ["canaries.json", "encoder.json"])
@pytest.mark.parametrize("content", ["", "{", "{}", "[]"])
def test_a_file_of_another_shape_is_named(broken: Path, name: str, content: str) -> None:
    (broken / name).write_text(content)
    with pytest.raises(InvalidError, match=name):
        OnnxEncoder.load(broken, threads=1)


def test_an_encoder_that_encodes_otherwise_is_refused(broken: Path) -> None:
    canaries = json.loads((broken / "canaries.json").read_text())
    canaries["vectors"][0][0] += 0.01
    (broken / "canaries.json").write_text(json.dumps(canaries))
    with pytest.raises(InvalidError, match="canaries"):
        OnnxEncoder.load(broken, threads=1)


@pytest.fixture
def broken_clip(clip_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(clip_folder, tmp_path / "broken"))


@pytest.mark.parametrize("name", ["image.onnx", "image_canaries.safetensors"])
def test_a_missing_file_of_the_image_side_is_named(broken_clip: Path, name: str) -> None:
    (broken_clip / name).unlink()
    with pytest.raises(UnavailableError, match=name):
        OnnxEncoder.load(broken_clip, threads=1)


@pytest.mark.parametrize("name", ["image.onnx", "image_canaries.safetensors"])
def test_a_changed_file_of_the_image_side_is_named(broken_clip: Path, name: str) -> None:
    (broken_clip / name).write_bytes(b"{}")
    with pytest.raises(InvalidError, match=name):
        OnnxEncoder.load(broken_clip, threads=1)


def test_an_encoder_that_sees_otherwise_is_refused(broken_clip: Path) -> None:
    canaries = load_file(broken_clip / "image_canaries.safetensors")
    canaries["vectors"][0, 0] += 0.01
    save_file(canaries, broken_clip / "image_canaries.safetensors")
    with pytest.raises(InvalidError, match="canaries"):
        OnnxEncoder.load(broken_clip, threads=1)
