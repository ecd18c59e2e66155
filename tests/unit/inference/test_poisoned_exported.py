"""An export that somebody tampered with: it is refused with a clear error, and nothing of it runs."""

import hashlib
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from embedding_studio.inference.errors import BrokenModelError
from embedding_studio.inference.loading import Shelf
from embedding_studio.inference.onnx import OnnxEncoder
from embedding_studio.kernel.errors import InvalidError, StudioError
from embedding_studio.sdk import EncoderSource

TEXTS = ["a", "a b", "b"]
VECTORS = [[1.0, 1.0], [3.0, 2.0], [2.0, 1.0]]
"""Sum and count of the tokens."""


def graph(*nodes: onnx.NodeProto, weights: onnx.TensorProto | None = None, extra: str = "") -> onnx.ModelProto:
    """A model that takes tokens; without nodes of the caller's, one that adds and counts them."""
    inputs = [helper.make_tensor_value_info(name, TensorProto.INT64, ["texts", "tokens"]) for name in INPUTS]
    output = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["texts", None])
    last = helper.make_tensor("last", TensorProto.INT64, [1], [1])
    domains = [helper.make_opsetid("", 18), *([helper.make_opsetid(extra, 1)] if extra else [])]
    made = helper.make_graph(nodes or COUNTING, "g", inputs, [output], [last, *([weights] if weights else [])])
    return helper.make_model(made, opset_imports=domains, ir_version=9)


INPUTS = ("input_ids", "attention_mask")
COUNTING = (
    helper.make_node("Mul", list(INPUTS), ["kept"]),
    helper.make_node("ReduceSum", ["kept", "last"], ["sum"], keepdims=1),
    helper.make_node("ReduceSum", ["attention_mask", "last"], ["count"], keepdims=1),
    helper.make_node("Concat", ["sum", "count"], ["both"], axis=1),
    helper.make_node("Cast", ["both"], ["embedding"], to=TensorProto.FLOAT),
)


def write(folder: Path, model: bytes | None = None, tokenizer: bytes | None = None, **described: Any) -> None:
    """An export whose hashes are right, whatever it holds."""
    folder.mkdir(exist_ok=True)
    (folder / "model.onnx").write_bytes(graph().SerializeToString() if model is None else model)
    (folder / "tokenizer.json").write_bytes(words() if tokenizer is None else tokenizer)
    (folder / "canaries.json").write_text(json.dumps({"texts": TEXTS, "vectors": VECTORS}))
    known = {
        "source": "poisoned",
        "query_prompt": "",
        "item_prompt": "",
        "pooling": "mean",
        "max_length": 16,
        "normalize": False,
        "dimensions": 2,
        "tokenizer_sha256": sha256(folder / "tokenizer.json"),
        "graph_sha256": sha256(folder / "model.onnx"),
    }
    (folder / "encoder.json").write_text(json.dumps(known | described))


def words() -> bytes:
    tokenizer = Tokenizer(WordLevel({"[UNK]": 0, "a": 1, "b": 2}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    return str(tokenizer.to_str()).encode()


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def elsewhere(location: str) -> bytes:
    """A graph whose weights lie in another file."""
    weights = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[2], data_location=TensorProto.EXTERNAL)
    for key, value in (("location", location), ("offset", "0"), ("length", "8")):
        weights.external_data.add(key=key, value=value)
    adding = helper.make_node("Add", ["counted", "w"], ["embedding"])
    counting = [*COUNTING[:-1], helper.make_node("Cast", ["both"], ["counted"], to=TensorProto.FLOAT)]
    return bytes(graph(*counting, adding, weights=weights).SerializeToString())


def with_tokenizer(**changes: Any) -> bytes:
    return json.dumps(json.loads(words()) | changes).encode()


class Bomb:
    """A pickle of it writes a file when it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return Path.write_text, (self.path, "boom")


def test_an_export_that_nobody_touched(tmp_path: Path) -> None:
    write(tmp_path / "whole")
    encoder = OnnxEncoder.load(tmp_path / "whole", threads=1)
    np.testing.assert_array_equal(encoder.encode(TEXTS, "item"), VECTORS)


@pytest.mark.parametrize("location", ["beside.bin", "../outside.bin", "{outside}", "link.bin"])
def test_weights_in_another_file(tmp_path: Path, location: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No hash covers them, so there are none: neither outside of the folder nor in it."""
    folder, outside = tmp_path / "model", tmp_path / "outside.bin"
    zeros = np.zeros(2, np.float32).tobytes()
    write(folder, elsewhere(location.format(outside=outside)))
    outside.write_bytes(zeros)
    (folder / "beside.bin").write_bytes(zeros)
    (folder / "link.bin").symlink_to(outside)
    monkeypatch.chdir(folder)
    with pytest.raises(InvalidError, match=r"model\.onnx"):
        OnnxEncoder.load(folder, threads=1)


@pytest.mark.parametrize(
    "model",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"no protobuf" * 100, id="no protobuf"),
        pytest.param(graph().SerializeToString()[:-40], id="truncated"),
        pytest.param(
            graph(
                helper.make_node("Evil", list(INPUTS), ["embedding"], domain="evil"), extra="evil"
            ).SerializeToString(),
            id="an operator of its own",
        ),
        pytest.param(
            graph(helper.make_node("Cast", ["input_ids"], ["embedding"], to=TensorProto.FLOAT)).SerializeToString(),
            id="another shape",
        ),
        pytest.param(
            graph(
                *COUNTING[:-1],
                helper.make_node("Cast", ["both"], ["counted"], to=TensorProto.FLOAT),
                helper.make_node("Div", ["counted", "zero"], ["embedding"]),
                weights=helper.make_tensor("zero", TensorProto.FLOAT, [1], [0.0]),
            ).SerializeToString(),
            id="infinity",
        ),
        pytest.param(
            graph(
                helper.make_node("ConstantOfShape", ["huge"], ["embedding"]),
                weights=helper.make_tensor("huge", TensorProto.INT64, [2], [10**6, 10**6]),
            ).SerializeToString(),
            id="four terabytes",
        ),
    ],
)
def test_a_graph(tmp_path: Path, model: bytes) -> None:
    write(tmp_path / "model", model)
    with pytest.raises(InvalidError):
        OnnxEncoder.load(tmp_path / "model", threads=1)


@pytest.mark.parametrize(
    "tokenizer",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"{", id="no JSON"),
        pytest.param(b"[" * 100_000, id="deep"),
        pytest.param(b"\xff\xfe", id="no UTF-8"),
        pytest.param(with_tokenizer(model={"type": "Evil"}), id="another kind"),
        pytest.param(
            with_tokenizer(normalizer={"type": "Replace", "pattern": {"Regex": "("}, "content": ""}), id="regex"
        ),
        pytest.param(
            with_tokenizer(
                post_processor={
                    "type": "TemplateProcessing",
                    "single": [{"SpecialToken": {"id": "[NO]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
                    "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
                    "special_tokens": {},
                }
            ),
            id="a token that there is not",
        ),
    ],
)
def test_a_tokenizer(tmp_path: Path, tokenizer: bytes) -> None:
    write(tmp_path / "model", tokenizer=tokenizer)
    with pytest.raises(InvalidError):
        OnnxEncoder.load(tmp_path / "model", threads=1)


@pytest.mark.parametrize(
    "described",
    [
        {"dimensions": 10**12},
        {"dimensions": -1},
        {"dimensions": "2"},
        {"dimensions": True},
        {"max_length": 0},
        {"max_length": -1},
        {"max_length": 10**30},
        {"max_length": 2.5},
        {"pooling": "eval"},
        {"source": None},
        {"item_prompt": ["a"]},
        {"tokenizer_sha256": "../.."},
        {"image_size": 10**9, "image_graph_sha256": "0" * 64},
        {"precision": "fp4"},
        {"colour": "red"},
    ],
)
def test_a_description(tmp_path: Path, described: dict[str, Any]) -> None:
    write(tmp_path / "model", **described)
    with pytest.raises(StudioError):
        OnnxEncoder.load(tmp_path / "model", threads=1)


@pytest.mark.parametrize("name", ["encoder.json", "canaries.json"])
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"null",
        b"[]",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"\xff",
        b'{"texts": [1], "vectors": [[1, 1]]}',
        b'{"texts": ["a"], "vectors": [[1], [1, 2]]}',
        b'{"texts": ["a"], "vectors": [["x", "y"]]}',
        b'{"texts": ["a"], "vectors": [[1e999, NaN]]}',
        b'{"texts": "a", "vectors": [[1, 1]]}',
        b'{"texts": {"a": 1}, "vectors": [[1, 1]]}',
        b'{"texts": ["a"], "vectors": ' + b"9" * 5_000 + b"}",
    ],
    ids=lambda value: repr(value[:30]),
)
def test_json(tmp_path: Path, name: str, content: bytes) -> None:
    write(tmp_path / "model")
    (tmp_path / "model" / name).write_bytes(content)
    with pytest.raises(InvalidError):
        OnnxEncoder.load(tmp_path / "model", threads=1)


@pytest.mark.parametrize("name", ["encoder.json", "canaries.json", "tokenizer.json"])
def test_a_file_that_is_too_large(tmp_path: Path, name: str) -> None:
    write(tmp_path / "model")
    with (tmp_path / "model" / name).open("wb") as file:
        file.truncate(10**12)
    with pytest.raises(InvalidError, match="has more than"):
        OnnxEncoder.load(tmp_path / "model", threads=1)


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json"])
def test_a_pickle_is_no_file_of_ours(tmp_path: Path, name: str) -> None:
    folder, mark = tmp_path / "model", tmp_path / "mark"
    bomb = pickle.dumps(Bomb(mark))
    write(folder, **{"model" if name == "model.onnx" else "tokenizer": bomb})
    for other in ("pytorch_model.bin", "model.pkl", "optimizer.pt"):
        (folder / other).write_bytes(bomb)
    with pytest.raises(InvalidError):
        OnnxEncoder.load(folder, threads=1)
    assert not mark.exists()
    pickle.loads(bomb)
    assert mark.exists()


@pytest.mark.parametrize(
    "header",
    [
        b"",
        (2**63).to_bytes(8, "little"),
        (2**20).to_bytes(8, "little") + b"{",
        b'{"images":{"dtype":"U8","shape":[9,9,9,9],"data_offsets":[0,8]}}',
        b'{"images":{"dtype":"U8","shape":[],"data_offsets":[0,1]},"vectors":{"dtype":"U8","shape":[],"data_offsets":[1,2]}}',
        b'{"images":{"dtype":"BF16","shape":[1],"data_offsets":[0,2]}}',
        b'{"images":{"dtype":"F4","shape":[2],"data_offsets":[0,1]}}',
        b'{"other":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}',
    ],
    ids=lambda value: repr(value[:30]),
)
def test_safetensors(tmp_path: Path, header: bytes) -> None:
    folder = tmp_path / "model"
    write(folder, image_size=8, image_graph_sha256=hashlib.sha256(graph().SerializeToString()).hexdigest())
    (folder / "image.onnx").write_bytes(graph().SerializeToString())
    told = len(header).to_bytes(8, "little") if header.startswith(b"{") else b""
    (folder / "image_canaries.safetensors").write_bytes(told + header + b"\0" * 16)
    with pytest.raises(InvalidError):
        OnnxEncoder.load(folder, threads=1)


@pytest.mark.anyio
async def test_a_shelf_serves_the_others(tmp_path: Path) -> None:
    sound, poisoned = EncoderSource("sound", "", ""), EncoderSource("poisoned", "", "")
    write(tmp_path / sound.key)
    write(tmp_path / poisoned.key, b"no protobuf", tokenizer=b"{")
    shelf = Shelf(tmp_path, lambda folder: OnnxEncoder.load(folder, threads=1))
    for _ in range(2):
        with pytest.raises(BrokenModelError):
            await shelf.get(poisoned)
        assert (await shelf.get(sound)).encode(["a"], "query").tolist() == [[1.0, 1.0]]
