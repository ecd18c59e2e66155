"""Rows that are lines: JSONL and CSV."""

import csv
from collections.abc import Generator
from typing import Any

import msgspec

from embedding_studio.infra.loaders.rows import START, Position, Reading, Row, too_large

__all__ = ["read_csv", "read_jsonl"]

_SKIP = 1 << 16
_BOM = "\N{ZERO WIDTH NO-BREAK SPACE}"


def read_jsonl(reading: Reading, start: Position) -> Generator[Row]:
    """One JSON object a line; empty lines are passed over."""
    file, limit = reading.file, reading.limit
    file.seek(start.offset)
    offset, number = start
    while line := file.readline(limit + 1):
        offset, number = offset + len(line), number + 1
        if len(line) > limit and not line.endswith(b"\n"):
            offset += _skip_line(reading)
            yield Row(number, too_large(limit), Position(offset, number))
        elif line.strip():
            yield Row(number, _json_object(line.removeprefix(_BOM.encode())), Position(offset, number), len(line))


def _skip_line(reading: Reading) -> int:
    """Read to behind the end of the line, holding little of it; returns how many bytes that were."""
    skipped = 0
    while chunk := reading.file.readline(_SKIP):
        skipped += len(chunk)
        if chunk.endswith(b"\n"):
            break
    return skipped


def _json_object(line: bytes) -> dict[str, Any] | str:
    try:
        value = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return f"is no JSON: {error}"
    return value if isinstance(value, dict) else "is no JSON object"


def read_csv(reading: Reading, start: Position) -> Generator[Row]:
    """Comma-separated values with a header, as RFC 4180 has them; every value is a string.

    A row over the limit ends the file: it most likely lacks a closing quote, and what follows cannot be told apart.
    """
    csv.field_size_limit(max(csv.field_size_limit(), reading.limit))  # of the process; Python's 128 KiB is our default
    lines = _Lines(reading)
    rows = csv.reader(lines, strict=True)
    header = _next(rows, lines)
    if header is None:
        return
    if isinstance(header, str) or (wrong := _wrong_with(header)):
        yield Row(0, f"has no usable header: {header if isinstance(header, str) else wrong}", None)
        return
    lines.go_to(max(start, lines.position))
    while True:
        number = lines.position.row + 1
        cells = _next(rows, lines)
        if cells is None:
            return
        if cells:
            value = cells if isinstance(cells, str) else _fields(header, cells)
            yield Row(number, value, None if lines.exhausted else lines.position, lines.taken)
        if lines.exhausted:
            return


class _Lines:
    """Decoded lines of a file, and where the next one begins."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self.exhausted = False
        self.go_to(START)

    def go_to(self, position: Position) -> None:
        self._reading.file.seek(position.offset)
        self.position = position
        self.taken = 0

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = self._reading.file.readline(self._reading.limit + 1)
        if not line:
            raise StopIteration
        self.taken += len(line)
        offset, row = self.position
        self.position = Position(offset + len(line), row + 1)
        if self.taken > self._reading.limit:
            self.exhausted = True
            raise ValueError(too_large(self._reading.limit) + "; the rest of the file is left out")
        text = line.decode(self._reading.encoding)
        return text if offset else text.removeprefix(_BOM)


def _next(rows: Any, lines: _Lines) -> list[str] | str | None:
    """The next row's cells, why it has none, or None behind the last row."""
    lines.taken = 0
    try:
        return next(rows, None)
    except csv.Error as error:
        return f"is no CSV: {error}"
    except UnicodeDecodeError as error:
        return f"is not {error.encoding}: {error.reason}"
    except (ValueError, LookupError) as error:
        return str(error)


def _wrong_with(header: list[str]) -> str | None:
    if not all(header):
        return "a column has no name"
    return "two columns share a name" if len(set(header)) < len(header) else None


def _fields(header: list[str], cells: list[str]) -> dict[str, Any] | str:
    if len(cells) != len(header):
        return f"has {len(cells)} cells, not {len(header)} as the header"
    return dict(zip(header, cells, strict=True))
