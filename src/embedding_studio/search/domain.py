"""A search, its pages and what it answers."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from embedding_studio.kernel.cursors import decode_cursor, encode_cursor
from embedding_studio.kernel.errors import InvalidError
from embedding_studio.sdk import Metric
from embedding_studio.vector_store import Filter, Hit, Total, score_of

__all__ = ["MAX_LIMIT", "Found", "Mode", "PageStart", "Result", "SearchRequest", "fingerprint", "ranked"]

Mode = Literal["vector", "lexical"]

MAX_LIMIT = 1000
"""Items of the largest page."""

_MAX_SHOWN = 2**31


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """What is asked.

    Attributes:
        text: Empty or None, with no `vector` either, lists the items that pass the filter.
        filter_tree: The filter as it came, for the session.
        cursor: Where the page before ended.
        track: Whether a session is recorded.
    """

    text: str | None = None
    vector: Sequence[float] | None = None
    mode: Mode | None = None
    filter: Filter | None = None
    filter_tree: dict[str, Any] | None = None
    limit: int = 10
    cursor: str | None = None
    user_id: str | None = None
    track: bool = True
    meta: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class PageStart:
    """Where a page starts; the next page's start travels in the cursor.

    The first page may come from an approximate index. Later pages compare all items, and leave out those that the
    first page showed: so nothing is repeated, and what the index overlooked comes on the second page.

    Attributes:
        fingerprint: Of the search that the pages belong to.
        model_version: The version that ranks all pages, also when another is deployed meanwhile.
        shown: How many items the pages before showed.
        approximate: How many of them came from an approximate first page.
        after: Distance and id of the last hit of an exact page before.
    """

    fingerprint: str
    model_version: int
    shown: int = 0
    approximate: int = 0
    after: tuple[float, str] | None = None

    def encode(self) -> str:
        """The start as a cursor."""
        distance, item_id = self.after or (0.0, "")
        return encode_cursor(self.fingerprint, self.model_version, self.shown, self.approximate, distance, item_id)

    @classmethod
    def decode(cls, cursor: str, expected: str) -> "PageStart":
        """The start that a cursor carries.

        Raises:
            InvalidError: It is no cursor of the search with the fingerprint `expected`.
        """
        fields = decode_cursor(cursor, str, int, int, int, float, str)
        found, model_version, shown, approximate, distance, item_id = fields
        possible = 0 <= approximate <= min(shown, MAX_LIMIT) and shown < _MAX_SHOWN and model_version > 0
        if found != expected or not possible:
            raise InvalidError.at("cursor", "belongs to another search: query, filter and mode must stay as they were")
        return cls(found, model_version, shown, approximate, (distance, item_id) if item_id else None)


@dataclass(frozen=True, slots=True)
class Result:
    """A hit at its position, from 1 over all pages; a higher score is better."""

    position: int
    score: float
    hit: Hit


@dataclass(frozen=True, slots=True)
class Found:
    """What a search answers; `mode` is None for a listing."""

    session_id: str | None
    mode: Mode | None
    results: Sequence[Result]
    total: Total
    next_cursor: str | None
    model_version: int
    index_version: int


def fingerprint(collection_id: int, request: SearchRequest, mode: Mode | None) -> str:
    """The same for all pages of one search, and for no other."""
    identity = [collection_id, request.text, request.vector, mode, request.filter_tree]
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]


def ranked(hits: Sequence[Hit], *, shown_before: int, mode: Mode | None, metric: Metric) -> list[Result]:
    """The hits with their positions and scores."""
    return [
        Result(position, score_of(hit.distance, metric) if mode == "vector" else 0.0 - hit.distance, hit)
        for position, hit in enumerate(hits, shown_before + 1)
    ]
