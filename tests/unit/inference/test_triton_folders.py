"""A model's folder appears whole in Triton's repository, and says what Triton is to do."""

import asyncio
import hashlib
import shutil
from pathlib import Path

import pytest
from google.protobuf.text_format import Parse
from tritonclient.grpc.model_config_pb2 import ModelConfig, ModelInstanceGroup

from embedding_studio.inference.settings import TritonSettings
from embedding_studio.inference.triton_folders import TritonFolders, model_config
from embedding_studio.kernel.encoder import EncoderDescription
from embedding_studio.kernel.errors import InvalidError

GRAPH = b"a graph"
DESCRIPTION = EncoderDescription(
    source="a",
    query_prompt="",
    item_prompt="",
    pooling="mean",
    max_length=32,
    normalize=True,
    dimensions=8,
    tokenizer_sha256="",
    graph_sha256=hashlib.sha256(GRAPH).hexdigest(),
)


@pytest.fixture
def exports(tmp_path: Path) -> Path:
    folder = tmp_path / "exports" / "one"
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(GRAPH)
    DESCRIPTION.write(folder / "encoder.json")
    return folder.parent


def folders(tmp_path: Path, exports: Path, **settings: object) -> TritonFolders:
    chosen = TritonSettings.model_validate({"repository": tmp_path / "models", "backend": "python", **settings})
    return TritonFolders(chosen, exports)


def parsed(text: str) -> ModelConfig:
    return Parse(text, ModelConfig())


@pytest.mark.parametrize(
    ("device", "kind"), [("cpu", ModelInstanceGroup.KIND_CPU), ("gpu", ModelInstanceGroup.KIND_GPU)]
)
def test_the_stock_backend_is_told_of_batches_priorities_and_threads(device: str, kind: int) -> None:
    settings = TritonSettings.model_validate({"device": device, "instances": 3, "model_threads": 2, "waiting": 7})
    config = parsed(model_config("a-b", DESCRIPTION, settings))
    assert (config.name, config.backend, config.max_batch_size) == ("a-b", "onnxruntime", 32)
    assert [(one.name, list(one.dims), one.allow_ragged_batch) for one in config.input] == [
        ("input_ids", [-1], False),
        ("attention_mask", [-1], False),
    ]
    assert [(one.name, list(one.dims)) for one in config.output] == [("embedding", [8])]
    assert [(one.count, one.kind) for one in config.instance_group] == [(3, kind)]
    assert config.parameters["intra_op_thread_count"].string_value == "2"
    assert config.version_policy.latest.num_versions == 1
    assert [(one.batch_size, sorted(one.inputs)) for one in config.model_warmup] == [
        (1, ["attention_mask", "input_ids"]),
        (32, ["attention_mask", "input_ids"]),
    ]
    batching = config.dynamic_batching
    assert (batching.priority_levels, batching.default_priority_level) == (2, 2)
    assert batching.default_queue_policy.max_queue_size == 7
    assert batching.default_queue_policy.default_timeout_microseconds == 0


def test_only_the_python_backend_takes_texts_of_other_lengths_together_and_brings_its_code(
    tmp_path: Path, exports: Path
) -> None:
    assert asyncio.run(folders(tmp_path, exports).write("one"))
    folder = tmp_path / "models" / "one"
    config = parsed((folder / "config.pbtxt").read_text())
    assert (config.backend, [one.allow_ragged_batch for one in config.input]) == ("python", [True, True])
    assert "TritonPythonModel" in (folder / "1" / "model.py").read_text()
    assert asyncio.run(folders(tmp_path, exports, backend="onnxruntime").write("one"))
    assert sorted(path.name for path in (folder / "1").iterdir()) == ["model.onnx"]


def test_what_lies_there_as_it_should_stays_and_what_does_not_is_replaced(tmp_path: Path, exports: Path) -> None:
    ours = folders(tmp_path, exports)
    assert [asyncio.run(ours.write("one")) for _ in range(2)] == [True, False]
    (tmp_path / "models" / "one" / "config.pbtxt").unlink()  # as a copy that was cut off would leave it
    assert asyncio.run(ours.keys()) == set()
    assert asyncio.run(ours.write("one"))
    assert asyncio.run(folders(tmp_path, exports, instances=3).write("one"))
    assert asyncio.run(ours.keys()) == {"one"}


def test_a_copy_that_fails_leaves_what_was_there(
    tmp_path: Path, exports: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = folders(tmp_path, exports)
    asyncio.run(ours.write("one"))
    before = (tmp_path / "models" / "one" / "config.pbtxt").read_text()

    def full(*_: object) -> None:
        raise OSError("no space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(shutil, "copyfile", full)
        with pytest.raises(OSError, match="no space"):
            asyncio.run(folders(tmp_path, exports, instances=3).write("one"))
    assert (tmp_path / "models" / "one" / "config.pbtxt").read_text() == before
    assert list((tmp_path / "models" / ".drafts").iterdir()) == []


def test_a_graph_that_is_not_the_described_one_is_never_laid_there(tmp_path: Path, exports: Path) -> None:
    (exports / "one" / "model.onnx").write_bytes(b"half a gra")
    ours = folders(tmp_path, exports)
    with pytest.raises(InvalidError, match=r"model\.onnx is not the file"):
        asyncio.run(ours.write("one"))
    assert asyncio.run(ours.keys()) == set()


def test_a_deleted_model_is_gone(tmp_path: Path, exports: Path) -> None:
    ours = folders(tmp_path, exports)
    asyncio.run(ours.write("one"))
    for _ in range(2):
        asyncio.run(ours.delete("one"))
        assert asyncio.run(ours.keys()) == set()
