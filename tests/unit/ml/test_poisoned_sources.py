"""A base model's folder may hold anything: what it brings is data, or it is refused."""

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from embedding_studio.kernel.errors import StudioError
from embedding_studio.ml.sources import load_cross_encoder, load_model
from small_encoder import save_small_encoder


class Bomb:
    """A pickle of it writes a file when it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return Path.write_text, (self.path, "boom")


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    return tmp_path / "mark"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    return Path(save_small_encoder(folder))


def weights(folder: Path) -> list[Path]:
    return list(folder.rglob("*.safetensors"))


def test_nothing_is_unpickled_where_safetensors_are_missing(model: Path, mark: Path) -> None:
    for path in weights(model):
        path.unlink()
        (path.parent / "pytorch_model.bin").write_bytes(pickle.dumps(Bomb(mark)))
    for load in (load_model, load_cross_encoder):
        with pytest.raises(StudioError):
            load(str(model))
    assert not mark.exists()


@pytest.mark.parametrize(
    "kind",
    [
        "mine.Evil",
        "os.system",
        "subprocess.Popen",
        "sentence_transformers.util.distributed.pickle",
        "sentence_transformers.base.model.torch",
        "sentence_transformers.util.misc.importlib",
        "sentence_transformers.nothing.Nothing",
        "",
        5,
    ],
)
def test_a_module_of_another_kind(model: Path, mark: Path, kind: object) -> None:
    (model / "mine.py").write_text(
        f"from pathlib import Path\nPath({str(mark)!r}).write_text('boom')\nclass Evil: ...\n"
    )
    modules = json.loads((model / "modules.json").read_text())
    (model / "evil").mkdir()
    (model / "evil" / "config.json").write_text("{}")
    (model / "evil" / "pytorch_model.bin").write_bytes(pickle.dumps(Bomb(mark)))
    modules.append({"idx": len(modules), "name": "evil", "path": "evil", "type": kind})
    (model / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(StudioError):
        load_model(str(model))
    assert not mark.exists()


def test_a_dense_layer_of_pickled_weights(model: Path, mark: Path) -> None:
    modules = json.loads((model / "modules.json").read_text())
    (model / "dense").mkdir()
    config = {"in_features": 32, "out_features": 32, "bias": False, "activation_function": "torch.nn.Identity"}
    (model / "dense" / "config.json").write_text(json.dumps(config))
    (model / "dense" / "pytorch_model.bin").write_bytes(pickle.dumps(Bomb(mark)))
    kind = "sentence_transformers.sentence_transformer.modules.Dense"
    modules.append({"idx": len(modules), "name": "dense", "path": "dense", "type": kind})
    (model / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(StudioError):
        load_model(str(model))
    assert not mark.exists()


@pytest.mark.parametrize("name", ["config.json", "modules.json", "tokenizer.json", "model.safetensors"])
@pytest.mark.parametrize("content", [b"", b"[", b"[" * 100_000, b"null", b"{}", b"\xff" * 64])
def test_a_file_of_something_else(model: Path, name: str, content: bytes) -> None:
    paths = list(model.rglob(name))
    assert paths
    for path in paths:
        path.write_bytes(content)
    with pytest.raises(StudioError):
        load_model(str(model))


def test_code_of_the_folder_does_not_run(model: Path, mark: Path) -> None:
    (path,) = [one for one in model.rglob("config.json") if "hidden_size" in one.read_text()]
    config = json.loads(path.read_text())
    config["auto_map"] = {"AutoModel": "mine.Evil", "AutoConfig": "mine.Evil"}
    path.write_text(json.dumps(config | {"model_type": "evil"}))
    (path.parent / "mine.py").write_text(f"from pathlib import Path\nPath({str(mark)!r}).write_text('boom')\n")
    with pytest.raises(StudioError):
        load_model(str(model))
    assert not mark.exists()
