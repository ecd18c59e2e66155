"""What a search comes to: the collection's ways, the plugin's processors, and what the request says of its own."""

from dataclasses import dataclass

from embedding_studio.experiments import RankingOverrides
from embedding_studio.kernel.errors import InvalidError
from embedding_studio.sdk import ClickMemory, EmbeddingPlugin, Fusion, Mode, QueryDraft, RankerPart, SwapNeighbours
from embedding_studio.search.domain import SearchRequest
from embedding_studio.search.processing import Processed, process_in_time
from embedding_studio.vector_store import And, Collection, Filter, WordQuery, parse_words

__all__ = ["AS_IT_IS", "Plan", "plan"]

AS_IT_IS = RankingOverrides()
"""The ranking of the collection and its plugin."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How a search is done.

    Attributes:
        mode: None lists what passes the filter.
        text: What is embedded, after the processors.
        words: What is looked up.
        filter: The request's, and what processors read out of the text.
        depth: Candidates of each half, and of rankers.
        processed: The query as the processors left it.
        exploration: How the order of the first page is varied; None where it must not be.
        adjuster: How what users chose lately changes scores.
    """

    mode: Mode | None
    text: str | None
    words: WordQuery | None
    filter: Filter | None
    fusion: Fusion
    depth: int
    rankers: tuple[RankerPart, ...]
    processed: Processed | None = None
    exploration: SwapNeighbours | None = None
    adjuster: ClickMemory | None = None

    def window_of(self, limit: int) -> int:
        """How deep the window is of a search whose first page has `limit` items; 0: there is none."""
        if self.mode is None or (self.mode == "lexical" and not self.rankers):
            return 0
        return limit if self.mode == "vector" and not self.rankers else max(limit, self.depth)


async def plan(
    collection: Collection, plugin: EmbeddingPlugin, request: SearchRequest, overrides: RankingOverrides = AS_IT_IS
) -> Plan:
    """Settle how the request is done: as it says, else as the overrides, the collection and the plugin say.

    Raises:
        InvalidError: The query does not fit the collection; names the place.
    """
    mode = _mode(collection, plugin, request, overrides)
    processors = plugin.ranking.query if request.text else ()
    processed = await process_in_time(processors, request.text) if processors and request.text else None
    draft = processed.draft if processed else QueryDraft(request.text or "")
    filters = tuple(one for one in (request.filter, *(processed.filters if processed else ())) if one)
    if not draft.text.strip() and request.vector is None and request.image is None and request.item_id is None:
        mode = None
    fusion = overrides.fusion or collection.options.fusion
    looked_up = mode in {"lexical", "hybrid"}
    return Plan(
        mode=mode,
        text=draft.text or None,
        words=parse_words(" ".join([draft.text, *draft.expansions])) if looked_up else None,
        filter=filters[0] if len(filters) == 1 else And(filters) if filters else None,
        fusion=fusion.build() if fusion else plugin.ranking.fusion,
        depth=overrides.depth or plugin.ranking.depth,
        rankers=tuple(plugin.ranking.rankers) if overrides.rankers and not request.sort else (),
        processed=processed,
        adjuster=plugin.ranking.adjuster if overrides.memory else None,
        exploration=plugin.ranking.exploration if mode and not request.sort else None,
    )


def _mode(
    collection: Collection, plugin: EmbeddingPlugin, request: SearchRequest, overrides: RankingOverrides
) -> Mode | None:
    given = [name for name in ("vector", "image", "item_id") if getattr(request, name) is not None]
    if len(given) > 1 or (given and request.text and given != ["vector"]):
        raise InvalidError.at(
            "query", "give one of `text`, `image`, `vector`, `item_id`; a vector may have a text beside it"
        )
    if not given and not request.text:
        return None
    usual = overrides.mode or collection.options.mode or plugin.mode
    asked = request.mode or (usual if request.text and not given else None)
    if given:
        asked = asked or ("hybrid" if request.text else "vector")
        if asked != "vector" and not request.text:
            raise InvalidError.at("mode", "words are needed for it: the query has no text")
    elif plugin.gives_vectors and asked != "lexical":
        raise InvalidError.at("mode", "this collection's items bring their own vectors: add one to the query")
    if asked == "lexical" and request.max_distance is not None:
        raise InvalidError.at("max_distance", "is of vectors, and a lexical search has none")
    return asked
