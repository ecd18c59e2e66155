"""An encoder in int8 is near the one in float32, whatever texts come with a text."""

import shutil
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from embedding_studio.inference import OnnxEncoder
from embedding_studio.kernel.encoder import EncoderDescription
from embedding_studio.kernel.errors import InvalidError
from embedding_studio.ml.export import export_encoder
from embedding_studio.ml.quantise import quantise
from small_encoder import COLORS, NAMES, THINGS, save_small_encoder

TEXTS = [f"a {color} {thing}, " * repeated for color in COLORS for repeated, thing in enumerate([*THINGS, *NAMES], 1)]


@pytest.fixture(scope="module")
def exact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("quantise")
    export_encoder(save_small_encoder(folder), folder / "exact", item_prompt="item: ")
    return folder / "exact"


@pytest.fixture(scope="module")
def quantised(exact: Path) -> Path:
    folder = exact.with_name("int8")
    shutil.copytree(exact, folder)
    quantise(folder)
    return folder


def test_what_serves_says_that_it_is_int8_and_is_checked_as_any_other(exact: Path, quantised: Path) -> None:
    before, after = (EncoderDescription.read(folder / "encoder.json") for folder in (exact, quantised))
    assert (before.precision, after.precision) == ("fp32", "int8")
    assert before.graph_sha256 != after.graph_sha256
    assert before.tokenizer_sha256 == after.tokenizer_sha256
    OnnxEncoder.load(quantised, threads=1)
    with pytest.raises(InvalidError, match="canaries differ"):
        OnnxEncoder.load(with_file(quantised, exact / "canaries.json"), threads=1)


def with_file(folder: Path, file: Path) -> Path:
    """A copy of the folder with another file in it."""
    copy = folder.with_name("forged")
    shutil.copytree(folder, copy)
    shutil.copyfile(file, copy / file.name)
    return copy


def test_vectors_are_near_those_in_float32(exact: Path, quantised: Path) -> None:
    one, other = (OnnxEncoder.load(folder, threads=1).encode(TEXTS, "item") for folder in (exact, quantised))
    assert (one * other).sum(axis=1).min() > 0.999
    assert np.abs(one - other).max() > 1e-5


def test_a_vector_does_not_depend_on_the_texts_beside_it(quantised: Path) -> None:
    encoder = OnnxEncoder.load(quantised, threads=1)
    alone = np.concatenate([encoder.encode([text], "query") for text in TEXTS])
    np.testing.assert_allclose(encoder.encode(TEXTS, "query"), alone, atol=1e-5)


def test_all_matrices_of_the_encoder_are_int8(exact: Path, quantised: Path) -> None:
    graph = onnx.load(quantised / "model.onnx").graph
    matrices = [one for one in graph.initializer if one.data_type == TensorProto.FLOAT and len(one.dims) == 2]
    assert all(one.name.endswith(".row_scales") for one in matrices)
    assert "MatMulNBits" in {node.op_type for node in graph.node}
    bytes_of = [
        sum(len(one.raw_data) for one in onnx.load(path / "model.onnx").graph.initializer)
        for path in (exact, quantised)
    ]
    assert bytes_of[1] < bytes_of[0] / 2


def write(folder: Path, nodes: list[onnx.NodeProto], weights: dict[str, np.ndarray]) -> Path:
    """An export of a graph from `x` to `y`, with no more to it than is rewritten."""
    sides = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", None]) for name in "xy"]
    tensors = [numpy_helper.from_array(array, name) for name, array in weights.items()]
    graph = helper.make_graph(nodes, "small", sides[:1], sides[1:], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, folder / "model.onnx")
    description = EncoderDescription(
        source="small",
        query_prompt="",
        item_prompt="",
        pooling="mean",
        max_length=8,
        normalize=True,
        dimensions=3,
        tokenizer_sha256="",
        graph_sha256="",
    )
    description.write(folder / "encoder.json")
    return folder


def test_columns_of_any_length_and_weights_of_several_products(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("embedding_studio.ml.quantise.rewrite", lambda *_, **__: None)
    random = np.random.default_rng(0)
    weight = random.normal(size=(20, 20)).astype(np.float32)
    weight[:, 3] = 0
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["between"]),
        helper.make_node("MatMul", ["between", "w"], ["twice"]),
        helper.make_node("Add", ["twice", "w"], ["y"]),
    ]
    quantise(write(tmp_path, nodes, {"w": weight}))
    x = random.normal(size=(20, 20)).astype(np.float32)
    (found,) = ort.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"]).run(["y"], {"x": x})
    wanted = x @ weight @ weight + weight
    assert np.abs(found - wanted).max() < 0.03 * np.abs(wanted).max()
    assert np.abs(found - weight)[:, 3].max() < 0.01


def test_a_graph_without_weights_is_refused(tmp_path: Path) -> None:
    folder = write(tmp_path, [helper.make_node("Relu", ["x"], ["y"])], {})
    with pytest.raises(InvalidError, match="no weights"):
        quantise(folder)
