"""Rows of a file, and places between them."""

from dataclasses import dataclass
from typing import Any, BinaryIO, NamedTuple

from embedding_studio.infra.loaders.records import RECORD_LIMIT

__all__ = ["START", "Position", "Reading", "Row", "too_large"]


class Position(NamedTuple):
    """A place between two rows.

    Attributes:
        offset: Bytes before it, for formats that can go on there.
        row: Lines or rows before it.
    """

    offset: int
    row: int


START = Position(0, 0)


@dataclass(frozen=True, slots=True)
class Reading:
    """An open file and how to read it.

    Attributes:
        file: Seekable.
        encoding: Of its text; JSON is always UTF-8.
        limit: Bytes a row may have.
    """

    file: BinaryIO
    encoding: str = "utf-8"
    limit: int = RECORD_LIMIT


@dataclass(frozen=True, slots=True)
class Row:
    """One row, read or not.

    Attributes:
        number: Its line or its place among the rows, from 1; 0 is the file as a whole.
        value: Its fields, or why it cannot be read.
        behind: The place behind it; None where nothing more can be read of the file.
        size: About how many bytes it holds.
    """

    number: int
    value: dict[str, Any] | str
    behind: Position | None
    size: int = 0


def too_large(limit: int) -> str:
    """Why a row or a file that is over the limit is not read."""
    return f"is larger than {limit} bytes"
