"""Exports of a tiny cross-encoder, with the loading code of real ones."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForSequenceClassification

from cross_encoder import MAX_LENGTH, save_cross_encoder
from embedding_studio.kernel.encoder import CrossEncoderDescription
from embedding_studio.kernel.errors import ConflictError, InvalidError, UnavailableError
from embedding_studio.ml import cross
from embedding_studio.ml.cross import CANARY_PAIRS, export_cross_encoder
from embedding_studio.ml.graph import write_pair_graph

FILES = {"model.onnx", "tokenizer.json", "canaries.json", "encoder.json"}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> str:
    return save_cross_encoder(tmp_path_factory.mktemp("cross") / "model")


@pytest.fixture(scope="module")
def folder(source: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export") / "cross"
    export_cross_encoder(source, folder)
    return folder


def inputs_of(folder: Path) -> set[str]:
    session = ort.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
    assert [(node.name, node.type, node.shape) for node in session.get_outputs()] == [
        ("score", "tensor(float)", ["batch"])
    ]
    return {node.name for node in session.get_inputs()}


def test_the_folder_holds_all_that_serving_needs(source: str, folder: Path) -> None:
    description = CrossEncoderDescription.read(folder / "encoder.json")
    assert {path.name for path in folder.iterdir()} == FILES
    assert (description.source, description.max_length) == (source, MAX_LENGTH)
    assert inputs_of(folder) == {"input_ids", "attention_mask", "token_type_ids"}


def test_the_canaries_are_scores_that_can_be_told_apart(folder: Path) -> None:
    scores = json.loads((folder / "canaries.json").read_text())["scores"]
    assert len(scores) == len(CANARY_PAIRS)
    assert all(0 <= score <= 1 for score in scores)
    assert np.ptp(scores) > 0.01


def test_a_second_export_does_nothing_and_another_model_is_refused(source: str, folder: Path, tmp_path: Path) -> None:
    written = (folder / "model.onnx").stat().st_mtime_ns
    assert export_cross_encoder(source, folder) == CrossEncoderDescription.read(folder / "encoder.json")
    assert (folder / "model.onnx").stat().st_mtime_ns == written
    with pytest.raises(ConflictError):
        export_cross_encoder(save_cross_encoder(tmp_path / "other", seed=1), folder)


def test_an_export_that_scores_otherwise_never_becomes_visible(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(model: Any, path: Path, *, names: list[str], padding_id: int) -> None:
        write_pair_graph(model, path, names=names, padding_id=padding_id)
        with torch.no_grad():
            next(model.classifier.parameters()).mul_(1.1)

    monkeypatch.setattr(cross, "write_pair_graph", wrong)
    with pytest.raises(InvalidError, match="differs"):
        export_cross_encoder(source, tmp_path / "encoder")
    assert list(tmp_path.iterdir()) == []


def test_a_model_that_does_not_tell_texts_apart_by_segments_is_exported_too(source: str, tmp_path: Path) -> None:
    roberta = tmp_path / "roberta"
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
    names = {"vocab_size": 128, "max_position_embeddings": 64, "pad_token_id": 0, "num_labels": 1}
    config = AutoConfig.for_model("roberta", **names, **sizes)
    model = AutoModelForSequenceClassification.from_config(config)  # type: ignore[no-untyped-call]  # not typed
    model.save_pretrained(roberta)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (roberta / name).write_bytes((Path(source) / name).read_bytes())
    settings = json.loads((roberta / "tokenizer_config.json").read_text())
    settings["model_input_names"] = ["input_ids", "attention_mask"]
    (roberta / "tokenizer_config.json").write_text(json.dumps(settings))
    export_cross_encoder(str(roberta), tmp_path / "encoder")
    assert inputs_of(tmp_path / "encoder") == {"input_ids", "attention_mask"}


def test_a_classifier_of_several_labels_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidError, match="gives 2 numbers"):
        export_cross_encoder(save_cross_encoder(tmp_path / "model", labels=2), tmp_path / "encoder")


def test_a_model_whose_last_layer_was_never_trained_is_refused(source: str, tmp_path: Path) -> None:
    copy = save_cross_encoder(tmp_path / "model")
    weights = load_file(f"{source}/model.safetensors")
    kept = {name: tensor for name, tensor in weights.items() if not name.startswith("classifier")}
    save_file(kept, f"{copy}/model.safetensors", {"format": "pt"})
    with pytest.raises(InvalidError, match=r"lacks weights: classifier\.bias, classifier\.weight"):
        export_cross_encoder(copy, tmp_path / "encoder")


def test_weights_that_would_have_to_be_unpickled_are_refused(tmp_path: Path) -> None:
    copy = save_cross_encoder(tmp_path / "model")
    model = AutoModelForSequenceClassification.from_pretrained(copy)
    torch.save(model.state_dict(), f"{copy}/pytorch_model.bin")
    Path(f"{copy}/model.safetensors").unlink()
    with pytest.raises(UnavailableError, match="cannot be loaded"):
        export_cross_encoder(copy, tmp_path / "encoder")


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises((InvalidError, UnavailableError)):
        export_cross_encoder(str(tmp_path), tmp_path / "encoder")
