"""Exports of the models that plugins name, kept among the objects, so that one machine makes them for all.

`exports/<key>/current` names the folder beside it that holds the files; it is written last, and a folder never changes.
"""

import asyncio
import hashlib
import re
from pathlib import Path

from embedding_studio.inference.errors import BrokenModelError
from embedding_studio.inference.trained import DESCRIPTION, store_folder
from embedding_studio.infra.objects import Objects
from embedding_studio.kernel.errors import NotFoundError
from embedding_studio.sdk import EncoderSource

__all__ = ["fetch_export", "share_export"]

_CURRENT = "current"
_DIGITS = 16
_FOLDER = re.compile(rb"[0-9a-f]{16}")


async def share_export(objects: Objects, source: EncoderSource, folder: Path) -> None:
    """Store the export that a folder holds, unless it is what all have already."""
    own = await asyncio.to_thread(_digest, folder)
    if await _current(objects, source) != own:
        await store_folder(objects, folder, f"{_place(source)}/{own}")
        await objects.put(f"{_place(source)}/{_CURRENT}", own.encode())


async def fetch_export(objects: Objects, source: EncoderSource, folder: Path) -> None:
    """Copy the export into a folder; that its files are those of its description is checked when they are loaded.

    Raises:
        NotFoundError: Nobody has exported it.
        BrokenModelError: What is stored is no export.
    """
    current = await _current(objects, source)
    if current is None:
        raise NotFoundError(f"no export of {source.model}")
    prefix = f"{_place(source)}/{current}"
    for key in await objects.keys(prefix):
        await objects.get_file(key, folder / key.removeprefix(f"{prefix}/"))
    if not (folder / DESCRIPTION).is_file() or await asyncio.to_thread(_digest, folder) != current:
        raise BrokenModelError(f"what is stored of {source.model} is not its export")


async def _current(objects: Objects, source: EncoderSource) -> str | None:
    try:
        named = await objects.get(f"{_place(source)}/{_CURRENT}")
    except NotFoundError:
        return None
    return named.decode() if _FOLDER.fullmatch(named) else None


def _place(source: EncoderSource) -> str:
    return f"exports/{source.key}"


def _digest(folder: Path) -> str:
    return hashlib.sha256((folder / DESCRIPTION).read_bytes()).hexdigest()[:_DIGITS]
