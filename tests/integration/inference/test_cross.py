"""The served cross-encoder against transformers on the same weights."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from cross_encoder import MAX_LENGTH
from embedding_studio.inference.cross import OnnxCrossEncoder
from embedding_studio.kernel.errors import InvalidError, UnavailableError
from embedding_studio.ml.sources import load_cross_encoder
from embedding_studio.sdk.encoder import EncoderSource

PAIRS = [
    ("red sofa", "a red sofa of leather"),
    ("red sofa", ""),
    ("", ""),
    ("sofa " * 90, "a short text"),
    ("a short query", "one sentence that goes on and on, " * 20),
    ("sofa " * 90, "sofa, " * 90),
    *((f"query {n}", f"the text of number {n * n}") for n in range(60)),
]


@pytest.fixture(scope="module")
def encoder(cross_folder: Path) -> OnnxCrossEncoder:
    return OnnxCrossEncoder.load(cross_folder, threads=1)


def test_scores_match_transformers(encoder: OnnxCrossEncoder, cross_source: EncoderSource) -> None:
    model, tokenizer = load_cross_encoder(cross_source.model)
    queries, texts = map(list, zip(*PAIRS, strict=True))
    tokens = tokenizer(queries, texts, truncation=True, max_length=MAX_LENGTH, padding=True, return_tensors="pt")
    with torch.no_grad():
        expected = torch.sigmoid(model(**tokens).logits)[:, 0].numpy()
    scores = encoder.score(PAIRS)
    assert scores.shape == (len(PAIRS),)
    assert scores.dtype == np.float32
    assert np.abs(scores - expected).max() <= 1e-5
    assert np.ptp(scores) > 0.1


def test_a_score_does_not_depend_on_its_neighbours(encoder: OnnxCrossEncoder) -> None:
    alone = np.concatenate([encoder.score([pair]) for pair in PAIRS])
    assert np.abs(encoder.score(PAIRS) - alone).max() <= 1e-6
    assert encoder.score([]).shape == (0,)


@pytest.fixture
def broken(cross_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(cross_folder, tmp_path / "broken"))


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json", "canaries.json", "encoder.json"])
def test_a_missing_file_is_named(broken: Path, name: str) -> None:
    (broken / name).unlink()
    with pytest.raises(UnavailableError, match=name):
        OnnxCrossEncoder.load(broken, threads=1)


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json"])
def test_a_changed_file_is_refused(broken: Path, name: str) -> None:
    (broken / name).write_bytes((broken / name).read_bytes() + b" ")
    with pytest.raises(InvalidError, match=name):
        OnnxCrossEncoder.load(broken, threads=1)


@pytest.mark.parametrize("name", ["canaries.json", "encoder.json"])
@pytest.mark.parametrize("content", ["", "{", "{}", "[]"])
def test_a_file_of_another_shape_is_named(broken: Path, name: str, content: str) -> None:
    (broken / name).write_text(content)
    with pytest.raises(InvalidError, match=name):
        OnnxCrossEncoder.load(broken, threads=1)


def test_an_encoder_that_scores_otherwise_is_refused(broken: Path) -> None:
    canaries = json.loads((broken / "canaries.json").read_text())
    canaries["scores"][0] += 0.01
    (broken / "canaries.json").write_text(json.dumps(canaries))
    with pytest.raises(InvalidError, match="canaries"):
        OnnxCrossEncoder.load(broken, threads=1)


def test_the_export_of_a_text_encoder_is_none_of_a_cross_encoder(encoder_folder: Path) -> None:
    with pytest.raises(InvalidError, match=r"encoder\.json describes no encoder of this kind"):
        OnnxCrossEncoder.load(encoder_folder, threads=1)
