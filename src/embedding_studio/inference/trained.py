"""Encoders that training made: named by what they hold, kept among the objects, fetched where they are needed."""

import asyncio
import hashlib
import re
import shutil
from pathlib import Path

from embedding_studio.inference.errors import BrokenModelError
from embedding_studio.infra.objects import ObjectFolder
from embedding_studio.kernel.errors import NotFoundError
from embedding_studio.kernel.ids import new_id
from embedding_studio.sdk import EncoderSource

__all__ = [
    "DESCRIPTION",
    "SERVED",
    "WEIGHTS",
    "Fetcher",
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
    return EncoderSource(f"trained/{collection_id}/{version}/{sha256[:16]}", like.query_prompt, like.item_prompt)


def is_trained(source: EncoderSource) -> bool:
    """Whether training made it, for one collection."""
    return _TRAINED.fullmatch(source.model) is not None


class Fetcher:
    """Copies trained encoders from the objects into the folder of exports."""

    def __init__(self, objects: ObjectFolder, folder: Path) -> None:
        self._objects = objects
        self._folder = folder

    async def fetch(self, source: EncoderSource) -> bool:
        """Copy the encoder; False if it is none that training made, or its objects are not there.

        The folder appears whole. That its files are those of its description is checked when they are loaded.

        Raises:
            BrokenModelError: What is stored is not what was registered.
        """
        found = _TRAINED.fullmatch(source.model)
        if found is None:
            return False
        draft = self._folder / f".{source.key}.{new_id()}"
        await asyncio.to_thread(draft.mkdir, parents=True)
        try:
            for name in reversed(SERVED):
                data = await self._objects.get(f"{model_folder(int(found[1]), int(found[2]))}/{name}")
                if name == DESCRIPTION and hashlib.sha256(data).hexdigest()[:16] != found[3]:
                    raise BrokenModelError(f"the stored encoder of model version {found[2]} is not that registered")
                await asyncio.to_thread((draft / name).write_bytes, data)
            await asyncio.to_thread(_publish, draft, self._folder / source.key)
        except NotFoundError:
            return False
        finally:
            await asyncio.to_thread(shutil.rmtree, draft, ignore_errors=True)
        return True

    async def drop(self, source: EncoderSource) -> None:
        """Delete the copy of an encoder that training made; there may be none."""
        if is_trained(source):
            await asyncio.to_thread(shutil.rmtree, self._folder / source.key, ignore_errors=True)


async def store_folder(objects: ObjectFolder, folder: Path, prefix: str) -> None:
    """Store all files of a folder under a prefix."""
    files = await asyncio.to_thread(lambda: sorted(path for path in folder.rglob("*") if path.is_file()))
    for path in files:
        data = await asyncio.to_thread(path.read_bytes)
        await objects.put(f"{prefix}/{path.relative_to(folder).as_posix()}", data)


async def fetch_weights(objects: ObjectFolder, source: EncoderSource, folder: Path) -> Path:
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
        await asyncio.to_thread(path.write_bytes, await objects.get(key))
    return folder


def _publish(draft: Path, folder: Path) -> None:
    try:
        draft.rename(folder)
    except OSError:
        if not (folder / DESCRIPTION).exists():  # else another process was faster
            raise
