"""What a loader yields."""

import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

__all__ = ["RECORD_LIMIT", "Cursor", "LoadFailure", "Loaded", "Loader", "is_id", "printable"]

RECORD_LIMIT = 16 * 1024 * 1024
"""Bytes one record, one text or one image may have."""

Cursor = dict[str, Any]
"""Where to go on, as small JSON: behind the record that carries it."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_ID_LIMIT = 512


@dataclass(frozen=True, slots=True)
class Loaded:
    """One item read from a source.

    Attributes:
        id: 1 to 512 characters, none of them a control character; the same in every run over the same source.
        payload: JSON values that our databases can store.
        source: What `Loader.fetch` takes to get the content again, without credentials; None where the payload is all.
        cursor: Goes on behind this item.
    """

    id: str
    payload: dict[str, Any]
    source: dict[str, Any] | None
    cursor: Cursor


@dataclass(frozen=True, slots=True)
class LoadFailure:
    """A record that cannot be read; reading goes on behind it.

    Attributes:
        id: A name for people, such as `products.jsonl:17`.
        reason: What is wrong with it.
        cursor: Goes on behind this record.
    """

    id: str
    reason: str
    cursor: Cursor


class Loader(Protocol):
    """Reads one source."""

    def read(self, cursor: Cursor | None) -> AsyncIterator[Loaded | LoadFailure]:
        """Yield what lies behind `cursor`, all of it for None, always in the same order.

        Raises:
            InvalidError: The cursor is not one of this loader's, or the source is not as the plugin describes it.
            ForbiddenError: The credentials do not open the source.
            NotFoundError: The source does not exist.
            UnavailableError: The source does not answer, after all retries.
        """
        ...

    async def fetch(self, source: Mapping[str, Any]) -> bytes:
        """The content that `source` names, at most `RECORD_LIMIT` bytes.

        Args:
            source: As in `Loaded.source`; it may come from a request, and reaches nothing that `read` could not.

        Raises:
            InvalidError: It names nothing that this loader may read.
            ForbiddenError: The credentials do not open it.
            NotFoundError: What it names does not exist.
            TooLargeError: It has more than `RECORD_LIMIT` bytes.
            UnavailableError: The source does not answer, after all retries.
        """
        ...


def is_id(text: str) -> bool:
    """Whether an item may have this id."""
    return 0 < len(text) <= _ID_LIMIT and not _CONTROL.search(text)


def printable(text: str) -> str:
    """The text as a failure may show it: short, without control characters."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)[:_ID_LIMIT]
