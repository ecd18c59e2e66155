"""How a collection is searched where a request does not say: mode, language, fusion, query processors and rankers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, get_args

from embedding_studio.sdk.adjusting import ClickMemory
from embedding_studio.sdk.exploration import SwapNeighbours
from embedding_studio.sdk.rankers import RankerPart

__all__ = [
    "FieldKind",
    "Fusion",
    "Mode",
    "ProcessQuery",
    "QueryDraft",
    "QueryProcessorPart",
    "Ranking",
    "ReciprocalRank",
    "WeightedMinMax",
]

Mode = Literal["hybrid", "vector", "lexical"]
FieldKind = Literal["keyword", "number", "time", "text"]

_DEEPEST = 1_000


@dataclass(frozen=True, slots=True)
class WeightedMinMax:
    """Each half's scores, brought to 0..1 over its candidates, weighted and summed.

    Attributes:
        vector: Weight of the vector half, 0..1; the lexical half has the rest. The default is what did best on three
            public sets of judged queries, where all between .4 and .5 did nearly as well.
    """

    vector: float = 0.45

    def __post_init__(self) -> None:
        """Refuse a weight that leaves the other half a negative one."""
        if not 0 <= self.vector <= 1:
            raise ValueError(f"the weight of the vector half must lie in 0..1, not {self.vector}")


@dataclass(frozen=True, slots=True)
class ReciprocalRank:
    """The sum of 1 / (k + rank) over both halves (Cormack, Clarke and Buettcher 2009).

    Attributes:
        k: At least 1; the larger, the less the first ranks stand out.
    """

    k: int = 60

    def __post_init__(self) -> None:
        """Refuse a k by which ranks could not be told apart, or would divide by zero."""
        if self.k < 1:
            raise ValueError(f"k must be at least 1, not {self.k}")


Fusion = WeightedMinMax | ReciprocalRank


@dataclass(frozen=True, slots=True)
class QueryDraft:
    """A query in words on its way through the processors.

    Attributes:
        text: What is embedded and looked up.
        expansions: More words that lexical search takes for the query's own.
        filters: Conditions that were read out of the text, as filter trees; all must hold.
    """

    text: str
    expansions: tuple[str, ...] = ()
    filters: tuple[Mapping[str, Any], ...] = ()


class ProcessQuery(Protocol):
    """Makes a better query of one; must not raise on any text, and answers within a millisecond or so."""

    def __call__(self, draft: QueryDraft, /) -> QueryDraft:
        """The better query."""
        ...


class QueryProcessorPart(Protocol):
    """A part that changes queries before they are embedded and looked up."""

    def build(self) -> ProcessQuery:
        """The processor; two builds do the same."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """How searches of a collection find and rank.

    Attributes:
        mode: None: hybrid where items have texts and an encoder, else whichever half there is.
        language: Of the texts, as PostgreSQL names its text search configurations; `simple` stems nothing.
        fusion: How the two halves of a hybrid search become one ranking.
        depth: Candidates that each half hands over, and that rankers see; at most 1,000.
        query: Processors of queries in words, in this order.
        rankers: Each adds its share to the score of the first candidates; their names differ.
        adjuster: How what users did lately changes scores; None: not at all.
        exploration: How the order of first pages is varied now and then; None: never.
    """

    mode: Mode | None = None
    language: str = "english"
    fusion: Fusion = WeightedMinMax()
    depth: int = 100
    query: Sequence[QueryProcessorPart] = ()
    rankers: Sequence[RankerPart] = ()
    adjuster: ClickMemory | None = field(default_factory=ClickMemory)
    exploration: SwapNeighbours | None = None

    def __post_init__(self) -> None:
        """Refuse modes that there are not, a depth that no page could be read from, and two shares of one name."""
        if self.mode not in (None, *get_args(Mode)):
            raise ValueError(f"mode must be one of {', '.join(get_args(Mode))}, not {self.mode!r}")
        if not 1 <= self.depth <= _DEEPEST:
            raise ValueError(f"depth must lie in 1..{_DEEPEST}, not {self.depth}")
        names = [ranker.name for ranker in self.rankers]
        if len(set(names)) < len(names):
            raise ValueError(f"the names of rankers must differ: {', '.join(names)}")
