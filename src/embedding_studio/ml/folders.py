"""Folders of exports: they appear whole, and once."""

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

from embedding_studio.kernel.encoder import EncoderDescription
from embedding_studio.kernel.errors import ConflictError
from embedding_studio.kernel.ids import new_id

__all__ = ["publish", "sha256"]


def publish(folder: Path, wanted: tuple[str, str, str], write: Callable[[Path], None]) -> EncoderDescription:
    """Let `write` fill a draft that becomes `folder` in one step; where the folder is there already, read it alone.

    Of several at once the first to end wins, and all return the same.

    Args:
        folder: Does not exist yet, or holds an export.
        wanted: Source, query prompt and item prompt of the export.
        write: Is given an empty folder, in which it writes `encoder.json` last.

    Raises:
        ConflictError: The folder holds another encoder.
    """
    if not (folder / "encoder.json").exists():
        draft = folder.with_name(f".{folder.name}.{new_id()}")
        draft.mkdir(parents=True)
        try:
            write(draft)
            _rename(draft, folder)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    return _read(folder, wanted)


def sha256(path: Path) -> str:
    """The file's digest in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _rename(draft: Path, folder: Path) -> None:
    try:
        draft.rename(folder)
    except OSError:
        if not (folder / "encoder.json").exists():  # else another export was faster
            raise


def _read(folder: Path, wanted: tuple[str, str, str]) -> EncoderDescription:
    description = EncoderDescription.read(folder / "encoder.json")
    if (description.source, description.query_prompt, description.item_prompt) != wanted:
        raise ConflictError(f"{folder.name} holds the export of {description.source} with other prompts or weights")
    return description
