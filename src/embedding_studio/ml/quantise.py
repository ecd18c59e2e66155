"""Encoders in int8: every sixteen weights of a column share a scale, and every sixteen numbers that meet them.

The products are those of ONNX Runtime's `MatMulNBits`, which rounds each token's numbers by themselves: a vector does
not depend on the texts beside it, as it would where one scale serves a whole batch (docs/adr/0025-int8-in-blocks.md).
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import GraphProto, NodeProto, TensorProto, helper, numpy_helper

from embedding_studio.kernel.encoder import EncoderDescription
from embedding_studio.kernel.errors import InvalidError
from embedding_studio.ml.canaries import rewrite
from embedding_studio.ml.folders import sha256

__all__ = ["BLOCK", "quantise"]

BLOCK = 16
"""The fewest numbers that may share a scale: the vectors are nearest to those in float32."""

_LARGEST = 127
_MIDDLE = 128
_INT8_PRODUCTS = 4
"""`MatMulNBits`'s name for multiplying in int8."""

_CONTRIBUTED = "com.microsoft"

Floats = npt.NDArray[np.float32]
Weights = Mapping[str, Floats]


def quantise(folder: Path) -> EncoderDescription:
    """Put int8 in the place of float32 in an export that nobody reads yet: its graph, canaries and description.

    Weights of matrix products and tables of embeddings become int8; all else stays.

    Raises:
        InvalidError: There is nothing to quantise, or a canary's vector depends on the texts beside it.
    """
    path = folder / "model.onnx"
    model = onnx.load(path)
    _quantise_graph(model.graph)
    model.opset_import.append(helper.make_opsetid(_CONTRIBUTED, 1))
    onnx.save(model, path)
    described = EncoderDescription.read(folder / "encoder.json")
    quantised = replace(described, precision="int8", graph_sha256=sha256(path))
    rewrite(folder, prompt=quantised.item_prompt, max_length=quantised.max_length)
    quantised.write(folder / "encoder.json")
    return quantised


def _quantise_graph(graph: GraphProto) -> None:
    weights = {one.name: numpy_helper.to_array(one) for one in graph.initializer if _is_matrix(one)}
    made: dict[str, TensorProto] = {}
    nodes = [new for node in graph.node for new in _replaced(node, weights, made)]
    if not made:
        raise InvalidError("the graph has no weights that could be quantised")
    read = {name for node in nodes for name in node.input}
    kept = [one for one in graph.initializer if one.name in read or one.name not in weights]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(nodes)
    graph.initializer.extend([*kept, *made.values()])


def _is_matrix(tensor: TensorProto) -> bool:
    return len(tensor.dims) == len(("rows", "columns")) and tensor.data_type == TensorProto.FLOAT


def _replaced(node: NodeProto, weights: Weights, made: dict[str, TensorProto]) -> Iterator[NodeProto]:
    """What does the node's work in int8, or the node itself; the int8 weights are put with those made already."""
    if node.op_type == "MatMul" and node.input[1] in weights:
        yield _product(node, weights[node.input[1]], made)
    elif node.op_type == "Gather" and node.input[0] in weights and not any(axis.i for axis in node.attribute):
        yield from _look_up(node, weights[node.input[0]], made)
    else:
        yield node


def _product(node: NodeProto, weight: Floats, made: dict[str, TensorProto]) -> NodeProto:
    rows, columns = weight.shape
    filled = np.pad(weight.T, ((0, 0), (0, -rows % BLOCK)))
    numbers, scales = _rounded(filled.reshape(columns, -1, BLOCK))
    name = node.input[1]
    inputs = [
        node.input[0],
        _add(made, f"{name}.blocks", (numbers + _MIDDLE).astype(np.uint8)),
        _add(made, f"{name}.block_scales", scales.reshape(-1)),
    ]
    return helper.make_node(
        "MatMulNBits",
        inputs,
        node.output,
        name=node.name,
        domain=_CONTRIBUTED,
        K=rows,
        N=columns,
        bits=8,
        block_size=BLOCK,
        accuracy_level=_INT8_PRODUCTS,
    )


def _look_up(node: NodeProto, table: Floats, made: dict[str, TensorProto]) -> Iterator[NodeProto]:
    """Rows of a table in which each has a scale of its own."""
    numbers, scales = _rounded(table)
    (name, rows), (output,) = node.input, node.output
    parts = {
        "numbers": _add(made, f"{name}.rows", numbers.astype(np.int8)),
        "scales": _add(made, f"{name}.row_scales", scales),
    }
    for part, initializer in parts.items():
        yield helper.make_node("Gather", [initializer, rows], [f"{output}.{part}"])
    yield helper.make_node("Cast", [f"{output}.numbers"], [f"{output}.floats"], to=TensorProto.FLOAT)
    yield helper.make_node("Mul", [f"{output}.floats", f"{output}.scales"], [output])


def _rounded(rows: Floats) -> tuple[Floats, Floats]:
    """Whole numbers from -127 to 127, and of each row along the last axis what they are to be multiplied with."""
    scales = np.abs(rows).max(axis=-1, keepdims=True) / np.float32(_LARGEST)
    scales[scales == 0] = 1
    return np.rint(rows / scales), scales


def _add(made: dict[str, TensorProto], name: str, array: npt.NDArray[np.generic]) -> str:
    """Put an initializer with the others; returns its name."""
    made[name] = numpy_helper.from_array(array, name)
    return name
