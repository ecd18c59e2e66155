"""Searches on the wire."""

from typing import Annotated, Any, Literal

import msgspec

from embedding_studio.kernel.errors import InvalidError
from embedding_studio.kernel.storable import refuse_unstorable
from embedding_studio.search.domain import MAX_LIMIT, Found, Mode, SearchRequest
from embedding_studio.vector_store import parse_filter

__all__ = ["Explanation", "QueryIn", "ResultView", "SearchIn", "SearchView", "TotalView"]

_UserId = Annotated[str, msgspec.Meta(min_length=1, max_length=512, pattern=r"^[^\x00-\x1f\x7f]*\Z")]
_Text = Annotated[str, msgspec.Meta(max_length=10_000)]


class QueryIn(msgspec.Struct, forbid_unknown_fields=True):
    """A query in words, or as a vector."""

    text: _Text | None = None
    vector: Annotated[list[float], msgspec.Meta(max_length=16_000)] | None = None


class SearchIn(msgspec.Struct, forbid_unknown_fields=True):
    """A search."""

    query: _Text | QueryIn | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=MAX_LIMIT)] = 10
    cursor: Annotated[str, msgspec.Meta(max_length=4096)] | None = None
    mode: Mode | None = None
    filter: dict[str, Any] | None = None
    user_id: _UserId | None = None
    track: bool = True
    explain: bool = False
    meta: dict[str, Any] | None = None

    def to_domain(self) -> SearchRequest:
        """The search as the service takes it.

        Raises:
            InvalidError: Names the place that is wrong.
        """
        query = self.query if isinstance(self.query, QueryIn) else QueryIn(text=self.query)
        refuse_unstorable(query.text, "query.text" if isinstance(self.query, QueryIn) else "query")
        refuse_unstorable(self.meta, "meta", in_document=True)
        if isinstance(self.query, QueryIn) and (query.text is None) == (query.vector is None):
            raise InvalidError.at("query", "must have `text` or `vector`, and not both")
        parsed = None if self.filter is None else parse_filter(self.filter)
        refuse_unstorable(self.filter, "filter")
        return SearchRequest(
            text=query.text,
            vector=query.vector,
            mode=self.mode,
            filter=parsed,
            filter_tree=self.filter,
            limit=self.limit,
            cursor=self.cursor,
            user_id=self.user_id,
            track=self.track,
            meta=self.meta,
        )


class Explanation(msgspec.Struct):
    """What a score is made of; the parts sum to it."""

    vector: float
    lexical: float
    model_version: int


class ResultView(msgspec.Struct, omit_defaults=True):
    """An item that was found."""

    id: str
    position: int
    score: float
    payload: dict[str, Any]
    part_id: str
    explanation: Explanation | None = None


class TotalView(msgspec.Struct):
    """How many items match; `gte` where counting stopped early."""

    value: int
    relation: Literal["eq", "gte"]


class SearchView(msgspec.Struct):
    """The answer to a search."""

    session_id: str | None
    results: list[ResultView]
    total: TotalView
    facets: dict[str, Any]
    next_cursor: str | None
    model_version: int
    index_version: int
    variant: str | None
    took_ms: float

    @classmethod
    def of(cls, found: Found, *, explain: bool, took_ms: float) -> "SearchView":
        """What was found, as clients see it."""
        return cls(
            session_id=found.session_id,
            results=[
                ResultView(
                    id=result.hit.item_id,
                    position=result.position,
                    score=result.score,
                    payload=result.hit.payload,
                    part_id=str(result.hit.part_no),
                    explanation=_explain(found, result.score) if explain else None,
                )
                for result in found.results
            ],
            total=TotalView(found.total.value, found.total.relation),
            facets={},
            next_cursor=found.next_cursor,
            model_version=found.model_version,
            index_version=found.index_version,
            variant=None,
            took_ms=round(took_ms, 3),
        )


def _explain(found: Found, score: float) -> Explanation:
    lexical = found.mode == "lexical"
    return Explanation(0.0 if lexical else score, score if lexical else 0.0, found.model_version)
