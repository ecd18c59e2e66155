"""Searches on the wire."""

import base64
import binascii
from dataclasses import replace
from typing import Annotated, Any, Literal

import msgspec

from embedding_studio.kernel.errors import InvalidError
from embedding_studio.kernel.storable import refuse_unstorable
from embedding_studio.sdk import Mode
from embedding_studio.search.domain import MAX_LIMIT, Found, Result, SearchRequest
from embedding_studio.vector_store import FilterTree, SortTree, Total, parse_filter, parse_sort

__all__ = [
    "CountIn",
    "CountView",
    "Explanation",
    "FacetView",
    "QueryIn",
    "ResultView",
    "SearchIn",
    "SearchView",
    "StepView",
    "TotalView",
]

_LARGEST_META = 65_536

_UserId = Annotated[str, msgspec.Meta(min_length=1, max_length=512, pattern=r"^[^\x00-\x1f\x7f]*\Z")]
_ItemId = Annotated[str, msgspec.Meta(min_length=1, max_length=512)]
_Text = Annotated[str, msgspec.Meta(max_length=10_000)]
_Distance = Annotated[float, msgspec.Meta(ge=-1e18, le=1e18)]
_Field = Annotated[str, msgspec.Meta(min_length=1, max_length=512)]


class QueryIn(msgspec.Struct, forbid_unknown_fields=True):
    """A query in words, as an image in base64, as a vector, or as an item to find the like of."""

    text: _Text | None = None
    image: Annotated[str, msgspec.Meta(max_length=30_000_000)] | None = None
    vector: Annotated[list[float], msgspec.Meta(max_length=16_000)] | None = None
    item_id: _ItemId | None = None

    def check(self) -> None:
        """Refuse a query of nothing, and what no database could look up.

        Raises:
            InvalidError: Names the place.
        """
        if self.text is None and self.image is None and self.vector is None and self.item_id is None:
            raise InvalidError.at("query", "must have `text`, `image`, `vector` or `item_id`")
        refuse_unstorable(self.text, "query.text")
        refuse_unstorable(self.item_id, "query.item_id")

    def image_file(self) -> bytes | None:
        """The image's bytes.

        Raises:
            InvalidError: It is not base64.
        """
        if self.image is None:
            return None
        try:
            return base64.b64decode(self.image, validate=True)
        except (binascii.Error, ValueError):
            raise InvalidError.at("query.image", "must be an image file in base64") from None


class _Conditions(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What a search and a count have in common."""

    query: _Text | QueryIn | None = None
    mode: Mode | None = None
    filter: FilterTree | None = None
    max_distance: _Distance | None = None

    def conditions(self) -> SearchRequest:
        """What is asked, without how it is shown.

        Raises:
            InvalidError: Names the place that is wrong.
        """
        query = self.query if isinstance(self.query, QueryIn) else QueryIn(text=self.query)
        if isinstance(self.query, QueryIn):
            query.check()
        refuse_unstorable(query.text, "query")
        parsed = None if self.filter is None else parse_filter(self.filter)
        refuse_unstorable(self.filter, "filter")
        return SearchRequest(
            text=query.text,
            vector=query.vector,
            image=query.image_file(),
            item_id=query.item_id,
            mode=self.mode,
            filter=parsed,
            filter_tree=self.filter,
            max_distance=self.max_distance,
        )


class CountIn(_Conditions, forbid_unknown_fields=True, kw_only=True):
    """A count of what a search would find."""


class SearchIn(_Conditions, forbid_unknown_fields=True, kw_only=True):
    """A search."""

    limit: Annotated[int, msgspec.Meta(ge=1, le=MAX_LIMIT)] = 10
    cursor: Annotated[str, msgspec.Meta(max_length=16_384)] | None = None
    sort: Annotated[list[SortTree], msgspec.Meta(max_length=8)] = []
    facets: Annotated[list[_Field], msgspec.Meta(max_length=20)] = []
    vectors: bool = False
    user_id: _UserId | None = None
    track: bool = True
    explain: bool = False
    meta: dict[str, Any] | None = None

    def to_domain(self) -> SearchRequest:
        """The search as the service takes it.

        Raises:
            InvalidError: Names the place that is wrong.
        """
        refuse_unstorable(self.meta, "meta", in_document=True)
        if len(msgspec.json.encode(self.meta)) > _LARGEST_META:
            raise InvalidError.at("meta", f"may have {_LARGEST_META:,} bytes as JSON")
        return replace(
            self.conditions(),
            sort=parse_sort(self.sort),
            facets=tuple(self.facets),
            with_vectors=self.vectors,
            limit=self.limit,
            cursor=self.cursor,
            user_id=self.user_id,
            track=self.track,
            meta=self.meta,
        )


class Explanation(msgspec.Struct, omit_defaults=True):
    """What a score is made of: `vector`, `lexical`, `memory` and `ranker` sum to it; `rankers` is `ranker` by name.

    `propensity` is the probability with which the item is shown at its position; without it, 1. `team` is the ranking
    whose pick it was, of two that an experiment interleaves.
    """

    vector: float
    lexical: float
    memory: float
    ranker: float
    model_version: int
    rankers: dict[str, float] = {}
    propensity: float | None = None
    team: str | None = None

    @classmethod
    def of(cls, result: Result) -> "Explanation":
        """The parts of an item's score."""
        candidate = result.candidate
        return cls(
            vector=candidate.vector,
            lexical=candidate.lexical,
            memory=candidate.memory,
            ranker=sum(candidate.rankers.values()),
            model_version=result.model_version,
            team=result.team,
            rankers=dict(candidate.rankers),
            propensity=result.propensity if result.propensity < 1 else None,
        )


class ResultView(msgspec.Struct, omit_defaults=True):
    """An item that was found."""

    id: str
    position: int
    score: float
    payload: dict[str, Any]
    part_id: str
    explanation: Explanation | None = None
    vector: list[float] | None = None

    @classmethod
    def of(cls, result: Result, explanation: Explanation | None) -> "ResultView":
        """The result as clients see it."""
        hit = result.candidate.hit
        return cls(
            id=hit.item_id,
            position=result.position,
            score=result.candidate.score,
            payload=hit.payload,
            part_id=str(hit.part_no),
            explanation=explanation,
            vector=None if result.vector is None else result.vector.tolist(),
        )


class TotalView(msgspec.Struct):
    """How many items match; `gte` where counting stopped early."""

    value: int
    relation: Literal["eq", "gte"]


class CountView(msgspec.Struct):
    """The answer to a count."""

    total: TotalView

    @classmethod
    def of(cls, total: Total) -> "CountView":
        """The count as clients see it."""
        return cls(TotalView(total.value, total.relation))


class FacetView(msgspec.Struct):
    """A value of a field, and how many of the items that match have it."""

    value: str | int | float | bool
    count: int


class StepView(msgspec.Struct):
    """What a query processor made of the query."""

    processor: str
    text: str
    expansions: list[str]
    filters: list[dict[str, Any]]


class SearchView(msgspec.Struct, omit_defaults=True):
    """The answer to a search."""

    session_id: str | None
    results: list[ResultView]
    total: TotalView
    facets: dict[str, list[FacetView]]
    next_cursor: str | None
    model_version: int
    index_version: int
    variant: str | None
    took_ms: float
    query: list[StepView] | None = None

    @classmethod
    def of(cls, found: Found, *, explain: bool, took_ms: float) -> "SearchView":
        """What was found, as clients see it."""
        return cls(
            session_id=found.session_id,
            results=[ResultView.of(one, Explanation.of(one) if explain else None) for one in found.results],
            total=TotalView(found.total.value, found.total.relation),
            facets={path: [FacetView(*one) for one in values] for path, values in found.facets.items()},
            next_cursor=found.next_cursor,
            model_version=found.model_version,
            index_version=found.index_version,
            variant=found.variant,
            took_ms=round(took_ms, 3),
            query=list(found.steps) if explain else None,
        )
