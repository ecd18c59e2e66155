"""Exports as the folders of Triton's model repository."""

import asyncio
import shutil
from pathlib import Path
from typing import Any

from google.protobuf.text_format import MessageToString
from tritonclient.grpc.model_config_pb2 import ModelConfig

from embedding_studio.inference.exported import check_hash, read_description
from embedding_studio.inference.settings import TritonSettings
from embedding_studio.inference.tokens import TEXTS_PER_BATCH
from embedding_studio.infra.shipped import shipped
from embedding_studio.kernel.encoder import EncoderDescription
from embedding_studio.kernel.ids import new_id

__all__ = ["BULK", "INTERACTIVE", "OUTPUT", "TritonFolders", "model_config"]

INTERACTIVE = 1
"""The priority of requests that somebody waits for."""

BULK = 2
"""The priority of all others."""

OUTPUT = "embedding"

_DRAFTS = ".drafts"
_CONFIG = "config.pbtxt"
_GRAPH = "model.onnx"


class TritonFolders:
    """Writes a model's folder whole: Triton is told of it by name, and only once it is there."""

    def __init__(self, settings: TritonSettings, exports: Path) -> None:
        self._settings = settings
        self._exports = exports

    async def write(self, key: str) -> bool:
        """Lay the export of this key into the repository; False where it lies there already, and as it should.

        Raises:
            UnavailableError: The encoder was not exported, or its files are gone.
            InvalidError: A file is not the one that was described.
        """
        return await asyncio.to_thread(self._write, key)

    async def delete(self, key: str) -> None:
        """Delete a model's folder; there may be none."""
        await asyncio.to_thread(shutil.rmtree, self._settings.repository / key, ignore_errors=True)

    async def keys(self) -> set[str]:
        """The models that lie in the repository."""
        return await asyncio.to_thread(self._keys)

    def _keys(self) -> set[str]:
        return {path.parent.name for path in self._settings.repository.glob(f"*/{_CONFIG}")}

    def _write(self, key: str) -> bool:
        export = self._exports / key
        description = read_description(export, EncoderDescription)
        config = model_config(key, description, self._settings)
        folder = self._settings.repository / key
        if _holds(folder, config):
            return False
        draft = self._settings.repository / _DRAFTS / new_id()
        try:
            self._fill(draft, export, config)
            check_hash(draft / "1" / _GRAPH, description.graph_sha256)
            shutil.rmtree(folder, ignore_errors=True)
            draft.replace(folder)
        except OSError:
            if not _holds(folder, config):  # else another process was faster
                raise
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        return True

    def _fill(self, draft: Path, export: Path, config: str) -> None:
        version = draft / "1"
        version.mkdir(parents=True)
        shutil.copyfile(export / _GRAPH, version / _GRAPH)
        if self._settings.backend == "python":
            shutil.copyfile(shipped("config") / "triton" / "model.py", version / "model.py")
        (draft / _CONFIG).write_text(config, encoding="utf-8")


def model_config(key: str, description: EncoderDescription, settings: TritonSettings) -> str:
    """The text of a `config.pbtxt` for a graph of texts.

    One version is served. Requests that wait go together into a batch, those of priority `INTERACTIVE` first; what
    finds the queue full is refused. Nothing is said of timeouts: a client that gives up has its request cancelled in
    the queue, and with timeouts Triton's batcher loses throughput over time (triton-inference-server/server, issue
    8870). Each instance answers a short query and a full batch before it takes others.
    """
    ragged = settings.backend == "python"
    texts = {"data_type": "TYPE_INT64", "dims": [-1], "allow_ragged_batch": ragged}
    config = ModelConfig(
        name=key,
        backend=settings.backend,
        max_batch_size=TEXTS_PER_BATCH,
        input=[{"name": name, **texts} for name in ("input_ids", "attention_mask")],
        output=[{"name": OUTPUT, "data_type": "TYPE_FP32", "dims": [description.dimensions]}],
        instance_group=[{"count": settings.instances, "kind": f"KIND_{settings.device.upper()}"}],
        version_policy={"latest": {"num_versions": 1}},
        dynamic_batching={
            "priority_levels": BULK,
            "default_priority_level": BULK,
            "default_queue_policy": {"max_queue_size": settings.waiting},
            "preserve_ordering": False,
        },
        model_warmup=[_warm_up(texts=1, tokens=8), _warm_up(texts=TEXTS_PER_BATCH, tokens=32)],
        parameters=_parameters(settings),
    )
    return f"# {description.graph_sha256}\n{MessageToString(config)}"


def _warm_up(*, texts: int, tokens: int) -> dict[str, Any]:
    zeros = {"data_type": "TYPE_INT64", "dims": [tokens], "zero_data": True}
    return {"name": f"{texts} texts", "batch_size": texts, "inputs": {"input_ids": zeros, "attention_mask": zeros}}


def _holds(folder: Path, config: str) -> bool:
    path = folder / _CONFIG
    return path.exists() and path.read_text(encoding="utf-8") == config


def _parameters(settings: TritonSettings) -> dict[str, dict[str, str]]:
    name = "threads" if settings.backend == "python" else "intra_op_thread_count"
    return {name: {"string_value": str(settings.model_threads)}}
