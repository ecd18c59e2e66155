"""Files of a folder."""

import asyncio
import os
from collections.abc import AsyncGenerator, Generator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from embedding_studio.infra.loaders.files import Opened, StoredFile
from embedding_studio.infra.loaders.formats import format_of, unpacked
from embedding_studio.infra.loaders.patterns import Pattern
from embedding_studio.infra.loaders.records import RECORD_LIMIT
from embedding_studio.infra.loaders.rows import Reading, too_large
from embedding_studio.infra.loaders.sources import text_of
from embedding_studio.infra.loaders.threads import in_thread
from embedding_studio.kernel.errors import ForbiddenError, InvalidError, NotFoundError, TooLargeError

__all__ = ["Folder"]

_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK  # a named pipe must not hold the reader up


class Folder:
    """A `FileStore` of the files below a folder whose paths match a pattern; links may not lead out of it."""

    def __init__(self, root: Path, pattern: Pattern, prefix: str = "", encoding: str = "utf-8") -> None:
        self._root = root
        self._pattern = pattern
        self._prefix = prefix
        self._encoding = encoding

    async def files(self, start: str | None) -> AsyncGenerator[StoredFile]:
        """Folder by folder, names in code point order."""
        first = tuple(start.split("/")) if start else ()
        async for path in in_thread(_walk(self._root, (), first), len):
            if path.startswith(self._prefix) and self._pattern.matches(path):
                yield StoredFile(path)

    async def open(self, file: StoredFile) -> Opened:
        """Open a file below the root; who stops waiting leaves none open."""
        opening = asyncio.create_task(asyncio.to_thread(self._open, file.path))
        try:
            return await asyncio.shield(opening)
        except asyncio.CancelledError:
            opening.add_done_callback(_close)
            raise

    def source(self, path: str) -> dict[str, Any]:
        """The path, relative to the root."""
        return {"path": path}

    async def fetch(self, source: Mapping[str, Any]) -> bytes:
        """The file's bytes."""
        path = text_of(source, "path")
        if not self._pattern.matches(path):
            raise InvalidError.at("source.path", "names no file that this loader reads")
        return await asyncio.to_thread(self._read, path)

    def _read(self, path: str) -> bytes:
        with self._file(path) as file:
            data = file.read(RECORD_LIMIT + 1)
        if len(data) > RECORD_LIMIT:
            raise TooLargeError(f"{path} {too_large(RECORD_LIMIT)}")
        return data

    def _open(self, path: str) -> Opened:
        file = self._file(path)
        state = os.fstat(file.fileno())
        reading = Reading(unpacked(file, path), self._encoding)
        return Opened(reading, f"{state.st_size}-{state.st_mtime_ns}", format_of(path))

    def _file(self, path: str) -> BinaryIO:
        root = self._root.resolve()
        try:
            inside = (root / path).resolve(strict=True)
            if not inside.is_relative_to(root) or not inside.is_file():
                raise InvalidError.at("source.path", "names no file that this loader reads")
            return os.fdopen(os.open(inside, _FLAGS), "rb")
        except PermissionError as error:
            raise ForbiddenError(f"{path} may not be read") from error
        except (OSError, ValueError) as error:
            raise NotFoundError(f"there is no file {path!r}") from error


def _close(opening: "asyncio.Task[Opened]") -> None:
    if not opening.cancelled() and not opening.exception():
        opening.result().reading.file.close()


def _walk(folder: Path, above: tuple[str, ...], first: tuple[str, ...]) -> Generator[str]:
    """Paths of the files below `folder`, from `first` on; `above` is the folder's own path below the root."""
    for name, entry in _entries(folder):
        parts = (*above, name)
        if parts < first[: len(parts)]:
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(folder / entry.name, parts, first)
        elif parts >= first:
            yield "/".join(parts)


def _entries(folder: Path) -> list[tuple[str, os.DirEntry[str]]]:
    """What lies in the folder, by name; a name that is not UTF-8 is spelt with escapes, so that it can be reported."""
    try:
        with os.scandir(folder) as entries:
            named = [(os.fsencode(entry.name).decode(errors="backslashreplace"), entry) for entry in entries]
    except PermissionError as error:
        raise ForbiddenError(f"the folder {folder.name} may not be read") from error
    except OSError as error:
        raise NotFoundError(f"there is no folder {folder.name}") from error
    return sorted(named, key=lambda one: one[0])
