"""Items out of files, wherever the files are kept."""

import zlib
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from embedding_studio.infra.loaders.formats import READERS, WHOLE, Format, Reader
from embedding_studio.infra.loaders.records import Cursor, Loaded, LoadFailure, is_id, printable
from embedding_studio.infra.loaders.rows import START, Position, Reading, Row
from embedding_studio.infra.loaders.threads import in_thread
from embedding_studio.kernel.errors import (
    ForbiddenError,
    InvalidError,
    NotFoundError,
    TooLargeError,
)
from embedding_studio.kernel.storable import refuse_unstorable

__all__ = ["FileStore", "FilesLoader", "Opened", "RowFields", "StoredFile"]


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file as its store lists it.

    Attributes:
        path: Names it within the store.
        version: Differs where the content differs; empty where only opening it tells.
        size: In bytes; 0 where only opening it tells.
    """

    path: str
    version: str = ""
    size: int = 0


@dataclass(frozen=True, slots=True)
class Opened:
    """A file that can be read.

    Attributes:
        reading: The content, decompressed.
        version: As in `StoredFile`, never empty.
        format: None where nobody can read it.
    """

    reading: Reading
    version: str
    format: Format | None


class FileStore(Protocol):
    """Where files are kept."""

    def files(self, start: str | None) -> AsyncGenerator[StoredFile]:
        """All files in a fixed order, from the path `start` on where one is given."""
        ...

    async def open(self, file: StoredFile) -> Opened:
        """Open a file; NotFoundError, ForbiddenError, InvalidError and TooLargeError concern this file alone."""
        ...

    def source(self, path: str) -> dict[str, Any]:
        """What `fetch` takes for this file."""
        ...

    async def fetch(self, source: Mapping[str, Any]) -> bytes:
        """As `Loader.fetch`."""
        ...


@dataclass(frozen=True, slots=True)
class RowFields:
    """Where a row keeps what makes an item.

    Attributes:
        id: The field with the item's id: a string or a whole number.
        payload: The field with the payload, an object; None where the payload is all fields but the id.
    """

    id: str = "id"
    payload: str | None = None


class _Place(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A cursor: a place in a version of a file, or behind the file."""

    path: str
    version: str = ""
    offset: int = 0
    row: int = 0
    done: bool = False


class FilesLoader:
    """Reads every file of a store by its format.

    Rows are named by a field of theirs; a text, an HTML page or an image is one item, named by its path.
    A file that was replaced since the cursor was made is read again from its start.
    """

    def __init__(self, store: FileStore, fields: RowFields) -> None:
        self._store = store
        self._fields = fields

    async def read(self, cursor: Cursor | None) -> AsyncGenerator[Loaded | LoadFailure]:
        """As `Loader.read`."""
        place = _place(cursor)
        async with aclosing(self._store.files(place.path if place else None)) as files:
            async for file in files:
                here = place if place and place.path == file.path else None
                if here and here.done:
                    continue
                async with aclosing(self._read_file(file, here)) as records:
                    async for record in records:
                        yield record

    async def fetch(self, source: Mapping[str, Any]) -> bytes:
        """As `Loader.fetch`."""
        return await self._store.fetch(source)

    async def _read_file(self, file: StoredFile, place: _Place | None) -> AsyncGenerator[Loaded | LoadFailure]:
        try:
            opened = await self._store.open(file)
        except (NotFoundError, ForbiddenError, InvalidError, TooLargeError) as error:
            yield self._failure(_Place(file.path, done=True), 0, error.detail)
            return
        same = place is not None and place.version == opened.version
        rows = _rows(opened, Position(place.offset, place.row) if place and same else START)
        async with aclosing(in_thread(rows, lambda row: row.size, closing=opened.reading.file.close)) as ready:
            async for row in ready:
                yield self._record(file, opened, row)

    def _record(self, file: StoredFile, opened: Opened, row: Row) -> Loaded | LoadFailure:
        place = _Place(file.path, done=True)
        if row.behind:
            place = _Place(file.path, opened.version, row.behind.offset, row.behind.row)
        if isinstance(row.value, str):
            return self._failure(place, row.number, row.value)
        try:
            name, payload = self._item(file.path, opened.format, row.value)
            refuse_unstorable(payload, "payload")
        except InvalidError as error:
            return self._failure(place, row.number, error.detail)
        source = self._store.source(file.path) if opened.format in WHOLE else None
        return Loaded(name, payload, source, msgspec.to_builtins(place))

    def _item(self, path: str, kind: Format | None, value: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        if kind not in WHOLE:
            return _from_row(value, self._fields)
        if not is_id(path):
            raise InvalidError.at("path", "must have 1 to 512 characters, none of them a control character")
        return path, {"path": path, **value}

    @staticmethod
    def _failure(place: _Place, number: int, reason: str) -> LoadFailure:
        name = f"{place.path}:{number}" if number else place.path
        return LoadFailure(printable(name), printable(reason), msgspec.to_builtins(place))


def _place(cursor: Cursor | None) -> _Place | None:
    try:
        return None if cursor is None else msgspec.convert(cursor, _Place)
    except msgspec.ValidationError as error:
        raise InvalidError.at("cursor", str(error)) from error


def _rows(opened: Opened, start: Position) -> Generator[Row]:
    """The rows of a file behind `start`."""
    if opened.format is None:
        yield Row(0, "has a format that is not known", None)
        return
    reader: Reader = READERS[opened.format]
    try:
        yield from reader(opened.reading, start)
    except (OSError, EOFError, zlib.error) as error:
        yield Row(0, f"cannot be read to its end: {error}", None)


def _from_row(row: dict[str, Any], fields: RowFields) -> tuple[str, dict[str, Any]]:
    name = row.get(fields.id)
    if isinstance(name, int) and not isinstance(name, bool):
        name = str(name)
    if not isinstance(name, str) or not is_id(name):
        raise InvalidError.at(fields.id, "must be 1 to 512 characters, none of them a control character, or a number")
    if fields.payload is None:
        return name, {key: value for key, value in row.items() if key != fields.id}
    if not isinstance(payload := row.get(fields.payload), dict):
        raise InvalidError.at(fields.payload, "must be an object")
    return name, payload
