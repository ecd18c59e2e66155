"""Files that are read as a whole."""

from collections.abc import Generator
from io import SEEK_END
from typing import Any

import msgspec

from embedding_studio.infra.loaders.rows import Position, Reading, Row, too_large

__all__ = ["read_html", "read_image", "read_json", "read_text"]

_BEHIND = Position(0, 1)
_BOM = "\N{ZERO WIDTH NO-BREAK SPACE}"


def read_text(reading: Reading, start: Position) -> Generator[Row]:
    """One row a file, the field `text`."""
    if start < _BEHIND:
        yield _text(reading, "text")


def read_html(reading: Reading, start: Position) -> Generator[Row]:
    """One row a file, the field `html`."""
    if start < _BEHIND:
        yield _text(reading, "html")


def read_image(reading: Reading, start: Position) -> Generator[Row]:
    """One row a file, without fields: the content is fetched where it is needed."""
    if start < _BEHIND:
        large = reading.file.seek(0, SEEK_END) > reading.limit
        yield Row(0, too_large(reading.limit) if large else {}, _BEHIND)


def read_json(reading: Reading, start: Position) -> Generator[Row]:
    """One row for each object of an array, or one for a single object; the whole document is bound by the limit."""
    data = _read(reading)
    try:
        members = _members(data) if data is not None else too_large(reading.limit)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        members = f"is no JSON: {error}"
    if isinstance(members, str):
        yield Row(0, members, None)
        return
    for number, member in enumerate(members[start.row :], start.row + 1):
        yield Row(number, _object(member), Position(0, number), len(bytes(member)))


def _object(member: msgspec.Raw) -> dict[str, Any] | str:
    """The fields, or what is wrong."""
    try:
        value = msgspec.json.decode(member)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return f"is no JSON: {error}"
    return value if isinstance(value, dict) else "is no JSON object"


def _members(data: bytes) -> list[msgspec.Raw]:
    text = data.removeprefix(_BOM.encode()).lstrip()
    return msgspec.json.decode(text if text.startswith(b"[") else b"[" + text + b"]", type=list[msgspec.Raw])


def _text(reading: Reading, field: str) -> Row:
    data = _read(reading)
    if data is None:
        return Row(0, too_large(reading.limit), None)
    try:
        text = data.decode(reading.encoding).removeprefix(_BOM)
    except (UnicodeDecodeError, LookupError):
        return Row(0, f"is not {reading.encoding}", None)
    return Row(0, {field: text}, _BEHIND, len(data))


def _read(reading: Reading) -> bytes | None:
    """The whole file, or None where it is over the limit."""
    reading.file.seek(0)
    data = reading.file.read(reading.limit + 1)
    return data if len(data) <= reading.limit else None
