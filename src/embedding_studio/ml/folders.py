"""Folders of exports: they appear whole, and once."""

import hashlib
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from embedding_studio.kernel.encoder import CrossEncoderDescription, EncoderDescription
from embedding_studio.kernel.errors import ConflictError
from embedding_studio.kernel.ids import new_id

__all__ = ["publish", "sha256"]

D = TypeVar("D", EncoderDescription, CrossEncoderDescription)


def publish(folder: Path, kind: type[D], wanted: Mapping[str, str], write: Callable[[Path], object]) -> D:
    """Let `write` fill a draft that becomes `folder` in one step; where the folder is there already, read it alone.

    Of several at once the first to end wins, and all return the same.

    Args:
        folder: Does not exist yet, or holds an export.
        kind: Of the description in `encoder.json`.
        wanted: What the description must say, such as its source.
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
    return _read(folder, kind, wanted)


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


def _read(folder: Path, kind: type[D], wanted: Mapping[str, str]) -> D:
    description = kind.read(folder / "encoder.json")
    if any(getattr(description, name) != value for name, value in wanted.items()):
        raise ConflictError(f"{folder.name} holds the export of {description.source} with other prompts or weights")
    return description
