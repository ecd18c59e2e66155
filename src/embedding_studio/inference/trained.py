"""Encoders that training made: named by what they hold, and kept among the objects."""

import asyncio
import hashlib
import re
from pathlib import Path

from embedding_studio.inference.errors import BrokenModelError
from embedding_studio.infra.objects import Objects
from embedding_studio.kernel.errors import NotFoundError
from embedding_studio.sdk import EncoderSource

__all__ = [
    "DESCRIPTION",
    "SERVED",
    "WEIGHTS",
    "fetch_trained",
    "fetch_weights",
    "is_trained",
    "model_folder",
    "store_folder",
    "trained_source",
]

DESCRIPTION = "encoder.json"

SERVED = ("model.onnx", "tokenizer.json", "canaries.json", DESCRIPTION)
"""The files of an export that serve."""

WEIGHTS = "torch"
"""The folder beside them from which training goes on: safetensors and JSON."""

_TRAINED = re.compile(r"trained/(\d+)/(\d+)/([0-9a-f]{16})")
_DIGITS = 16


def model_folder(collection_id: int, version: int) -> str:
    """Where the objects of a model version are."""
    return f"models/{collection_id}/{version}"


def trained_source(collection_id: int, version: int, *, sha256: str, like: EncoderSource) -> EncoderSource:
    """The name of a trained encoder; with other content it would be another.

    Args:
        collection_id: Whose model it is.
        version: The model version that it was trained for.
        sha256: Of its `encoder.json`, which in turn holds the hashes of what serves.
        like: What it was trained from; its prompts stay.
    """
    return EncoderSource(f"trained/{collection_id}/{version}/{sha256[:_DIGITS]}", like.query_prompt, like.item_prompt)


def is_trained(source: EncoderSource) -> bool:
    """Whether training made it, for one collection."""
    return _TRAINED.fullmatch(source.model) is not None


async def fetch_trained(objects: Objects, source: EncoderSource, folder: Path) -> None:
    """Copy what serves of an encoder that training made into a folder.

    Raises:
        NotFoundError: Training did not make it, or its objects are not there.
        BrokenModelError: What is stored is not what was registered.
    """
    found = _TRAINED.fullmatch(source.model)
    if found is None:
        raise NotFoundError(f"training did not make {source.model}")
    for name in reversed(SERVED):
        await objects.get_file(f"{model_folder(int(found[1]), int(found[2]))}/{name}", folder / name)
        if name == DESCRIPTION and await asyncio.to_thread(_digest, folder / name) != found[3]:
            raise BrokenModelError(f"the stored encoder of model version {found[2]} is not that registered")


async def store_folder(objects: Objects, folder: Path, prefix: str) -> None:
    """Store all files of a folder under a prefix."""
    files = await asyncio.to_thread(lambda: sorted(path for path in folder.rglob("*") if path.is_file()))
    for path in files:
        await objects.put_file(f"{prefix}/{path.relative_to(folder).as_posix()}", path)


async def fetch_weights(objects: Objects, source: EncoderSource, folder: Path) -> Path:
    """Copy the weights of a trained encoder into a folder.

    Raises:
        BrokenModelError: They are not there.
    """
    found = _TRAINED.fullmatch(source.model)
    prefix = f"{model_folder(int(found[1]), int(found[2]))}/{WEIGHTS}" if found else ""
    keys = await objects.keys(prefix) if found else []
    if not keys:
        raise BrokenModelError(f"the weights of the encoder {source.model} are gone")
    for key in keys:
        path = folder / key.removeprefix(f"{prefix}/")
        await asyncio.to_thread(path.parent.mkdir, parents=True, exist_ok=True)
        await objects.get_file(key, path)
    return folder


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:_DIGITS]
