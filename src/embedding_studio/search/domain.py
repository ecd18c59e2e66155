"""A search, its pages and what it answers."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from embedding_studio.experiments import Variant
from embedding_studio.kernel.cursors import decode_cursor, encode_cursor
from embedding_studio.kernel.errors import InvalidError
from embedding_studio.kernel.storable import refuse_unstorable
from embedding_studio.sdk import Mode
from embedding_studio.vector_store import FacetValue, Filter, Hit, SortKey, Total, Vector

__all__ = ["MAX_LIMIT", "Candidate", "Found", "Order", "PageStart", "Place", "Result", "SearchRequest", "fingerprint"]

MAX_LIMIT = 1000
"""Items of the largest page."""

_MAX_SHOWN = 2**31
_MAX_MOMENT = 2**52
_WHOLE = range(-(2**63), 2**63)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIELDS = (str, int, int, int, str, float, str)

Place = tuple[Sequence[Any], float, str]
"""Sort values, distance and id of a hit."""


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """What is asked.

    Attributes:
        text: Empty or None, with no vector, image or item either, lists the items that pass the filter.
        vector: Given by the application.
        image: An image file.
        item_id: Find what is like this item, which is left out itself.
        mode: None: as the collection has it.
        filter_tree: The filter as it came, for the session.
        max_distance: Leave out what is further from the query's vector.
        facets: Dotted paths whose values are counted over all that match.
        with_vectors: Whether results carry their vectors.
        cursor: Where the page before ended.
        track: Whether a session is recorded.
    """

    text: str | None = None
    vector: Sequence[float] | None = None
    image: bytes | None = None
    item_id: str | None = None
    mode: Mode | None = None
    filter: Filter | None = None
    filter_tree: dict[str, Any] | None = None
    sort: tuple[SortKey, ...] = ()
    max_distance: float | None = None
    facets: Sequence[str] = ()
    with_vectors: bool = False
    limit: int = 10
    cursor: str | None = None
    user_id: str | None = None
    track: bool = True
    meta: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class PageStart:
    """Where a page starts; the next page's start travels in the cursor.

    A ranked search first shows a window: candidates that an approximate index, a fusion or rankers put in order. Each
    page makes the same window again and takes its slice. What follows is compared exactly, without what the window
    showed: so nothing is repeated, and what the index overlooked comes behind the window.

    Attributes:
        fingerprint: Of the search that the pages belong to.
        model_version: The version that ranks all pages, also when another is deployed meanwhile.
        window: How deep the window is; 0: there is none.
        shown: How many items the pages before showed.
        after: The last hit of the page before, if that came from behind the window.
        revision: Of the click memory, where that had a say on the first page; 0: it says nothing on any page.
        moment: Microseconds since 1970: when the first page asked the memory.
        asker: Tells apart who asks: each user has a memory of their own.
    """

    fingerprint: str
    model_version: int
    window: int = 0
    shown: int = 0
    after: Place | None = None
    revision: int = 0
    moment: int = 0
    asker: str = ""

    @property
    def asked_at(self) -> datetime:
        """When the first page asked the memory."""
        return _EPOCH + timedelta(microseconds=self.moment)

    def remembering(self, revision: int, at: datetime, user_id: str | None) -> "PageStart":
        """The start of pages on which the memory, as it is now, has a say."""
        moment = (at - _EPOCH) // timedelta(microseconds=1)
        return replace(self, revision=revision, moment=moment, asker=_asker(user_id))

    def encode(self) -> str:
        """The start as a cursor."""
        values, distance, item_id = self.after or ((), 0.0, "")
        keys = msgspec.json.encode(values).decode()
        memory = (self.revision, self.moment, self.asker) if self.revision else ()
        return encode_cursor(
            self.fingerprint, self.model_version, self.window, self.shown, keys, distance, item_id, *memory
        )

    @classmethod
    def decode(cls, cursor: str, expected: str, *, sorted_by: int = 0, user_id: str | None = None) -> "PageStart":
        """The start that a cursor carries.

        Args:
            cursor: As it came.
            expected: Fingerprint of the search.
            sorted_by: How many sort keys the search has.
            user_id: Who asks.

        Raises:
            InvalidError: It is no cursor of this search.
        """
        fields, memory = _fields(cursor)
        found, model_version, window, shown, keys, distance, item_id = fields
        values = _values(keys)
        possible = 0 <= window <= MAX_LIMIT and 0 <= shown < _MAX_SHOWN and model_version > 0
        if found != expected or not possible or (item_id and len(values) != sorted_by):
            raise InvalidError.at("cursor", "belongs to another search: query, filter, sort and mode must stay")
        start = cls(found, model_version, window, shown, (tuple(values), distance, item_id) if item_id else None)
        if not memory:
            return start
        revision, moment, asker = memory
        if revision < 1 or not 0 <= moment < _MAX_MOMENT or asker != _asker(user_id):
            raise InvalidError.at("cursor", "belongs to another search: the user must stay")
        return replace(start, revision=revision, moment=moment, asker=asker)


def _fields(cursor: str) -> tuple[list[Any], list[Any]]:
    """What every cursor says, and what it says of the memory."""
    try:
        return decode_cursor(cursor, *_FIELDS), []
    except InvalidError:
        fields = decode_cursor(cursor, *_FIELDS, int, int, str)
        return fields[: len(_FIELDS)], fields[len(_FIELDS) :]


def _asker(user_id: str | None) -> str:
    return hashlib.sha256(user_id.encode()).hexdigest()[:16] if user_id is not None else ""


def _values(text: str) -> list[Any]:
    """The sort values, which a forged cursor may have of any kind; what is given is what PostgreSQL takes."""
    try:
        values = [_as_float(value) for value in msgspec.json.decode(text, type=list[Any])]
        refuse_unstorable(values, "cursor")
    except (msgspec.DecodeError, InvalidError, RecursionError, OverflowError):
        raise InvalidError.at("cursor", "is not a cursor of this list") from None
    return values


def _as_float(value: Any) -> Any:
    """The value; a float again, where jsonb has written one as a whole number of more than 64 bits."""
    return float(value) if isinstance(value, int) and value not in _WHOLE else value


@dataclass(frozen=True, slots=True)
class Candidate:
    """An item on its way to the results; the parts sum to its score.

    Attributes:
        memory: What users chose lately.
        rankers: The share of each ranker, by its name.
    """

    hit: Hit
    vector: float = 0.0
    lexical: float = 0.0
    memory: float = 0.0
    rankers: Mapping[str, float] = field(default_factory=dict)

    @property
    def score(self) -> float:
        """Higher is better."""
        return self.vector + self.lexical + self.memory + sum(self.rankers.values())


@dataclass(frozen=True, slots=True)
class Result:
    """An item at its position, from 1 over all pages; a higher score is better.

    Attributes:
        propensity: The probability with which the item is shown at this position; below 1 where order is varied.
        team: Of a draft of two rankings, the one whose pick it was.
        model_version: What ranked it.
    """

    position: int
    candidate: Candidate
    vector: Vector | None = None
    propensity: float = 1.0
    team: Variant | None = None
    model_version: int = 1


@dataclass(frozen=True, slots=True)
class Found:
    """What a search answers; `mode` is None for a listing.

    Attributes:
        variant: Of the experiment that the search belongs to.
        steps: What query processors made of the query, in their order.
        ranked_ms: How long it took to find the page, before facets were counted and the session recorded.
    """

    session_id: str | None
    mode: Mode | None
    results: Sequence[Result]
    total: Total
    next_cursor: str | None
    model_version: int
    index_version: int
    variant: str | None = None
    facets: Mapping[str, Sequence[FacetValue]] = field(default_factory=dict)
    steps: Sequence[Any] = ()
    ranked_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Order:
    """Ids of items in the order in which the pages of a search bring them.

    Attributes:
        found: The first of all.
        among: Those of some given items that come at all: what a filter in the words of the query leaves out does not.
    """

    found: tuple[str, ...]
    among: tuple[str, ...]


def fingerprint(collection_id: int, request: SearchRequest, mode: Mode | None) -> str:
    """The same for all pages of one search, and for no other."""
    identity = (
        collection_id,
        request.text,
        request.vector,
        request.image,
        request.item_id,
        mode,
        request.filter_tree,
        [(key.path, key.descending) for key in request.sort],
        request.max_distance,
    )
    return hashlib.sha256(msgspec.msgpack.encode(identity, order="deterministic")).hexdigest()[:16]
