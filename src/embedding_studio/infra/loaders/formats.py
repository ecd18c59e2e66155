"""The formats of files: which one a file has, and who reads it."""

import gzip
from collections.abc import Callable, Generator, Mapping
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import BinaryIO, Literal, cast

from embedding_studio.infra.loaders.lines import read_csv, read_jsonl
from embedding_studio.infra.loaders.parquet import read_parquet
from embedding_studio.infra.loaders.rows import Position, Reading, Row
from embedding_studio.infra.loaders.whole import read_html, read_image, read_json, read_text

__all__ = ["READERS", "WHOLE", "Format", "Reader", "format_of", "format_of_type", "unpacked"]

Format = Literal["jsonl", "json", "csv", "parquet", "text", "html", "image"]

Reader = Callable[[Reading, Position], Generator[Row]]
"""Yields the rows behind the position."""

READERS: Mapping[Format, Reader] = MappingProxyType(
    {
        "jsonl": read_jsonl,
        "json": read_json,
        "csv": read_csv,
        "parquet": read_parquet,
        "text": read_text,
        "html": read_html,
        "image": read_image,
    }
)

WHOLE: frozenset[Format] = frozenset({"text", "html", "image"})
"""Formats that give one item a file, named by its path."""

_IMAGES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
_EXTENSIONS: Mapping[str, Format] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".csv": "csv",
    ".parquet": "parquet",
    ".txt": "text",
    ".md": "text",
    ".html": "html",
    ".htm": "html",
    **dict.fromkeys(_IMAGES, "image"),
}
_PACKABLE: frozenset[Format] = frozenset({"jsonl", "json", "csv"})
_TYPES: Mapping[str, Format] = {
    "application/jsonl": "jsonl",
    "application/jsonlines": "jsonl",
    "application/x-jsonlines": "jsonl",
    "application/x-ndjson": "jsonl",
    "application/json": "json",
    "text/csv": "csv",
    "text/html": "html",
    "application/xhtml+xml": "html",
    "application/vnd.apache.parquet": "parquet",
}


def format_of(path: str) -> Format | None:
    """The format by the extension; `.gz` may follow that of JSONL, JSON and CSV."""
    name = PurePosixPath(path.lower())
    if name.suffix != ".gz":
        return _EXTENSIONS.get(name.suffix)
    inner = _EXTENSIONS.get(PurePosixPath(name.stem).suffix)
    return inner if inner in _PACKABLE else None


def format_of_type(content_type: str, path: str) -> Format | None:
    """The format by the media type; by the path's extension where the type says little."""
    if content_type in _TYPES:
        return _TYPES[content_type]
    if content_type.startswith("image/"):
        return "image"
    return format_of(path) or ("text" if content_type == "text/plain" else None)


def unpacked(file: BinaryIO, path: str) -> BinaryIO:
    """The file's content, decompressed while it is read where the path ends in `.gz`; closing it closes the file."""
    return cast("BinaryIO", _Unpacked(file)) if path.lower().endswith(".gz") else file


class _Unpacked(gzip.GzipFile):
    def __init__(self, file: BinaryIO) -> None:
        super().__init__(fileobj=file)
        self._file = file

    def close(self) -> None:
        super().close()
        self._file.close()
