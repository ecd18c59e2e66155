"""A search under way: how it is done, what PostgreSQL is asked, and where its page starts."""

from dataclasses import dataclass

from embedding_studio.experiments import RankingOverrides
from embedding_studio.search.asking import Asked, Asking
from embedding_studio.search.domain import PageStart, SearchRequest, fingerprint
from embedding_studio.search.metrics import stage
from embedding_studio.search.planning import Plan, plan
from embedding_studio.vector_store import Collection, CollectionService

__all__ = ["Seeker", "Sought"]


@dataclass(frozen=True, slots=True)
class Sought:
    """A search under way."""

    collection: Collection
    request: SearchRequest
    way: Plan
    asked: Asked
    start: PageStart


class Seeker:
    """Makes of a request what is to be looked for."""

    def __init__(self, *, collections: CollectionService, asking: Asking) -> None:
        self._collections = collections
        self._asking = asking

    async def sought(self, collection: Collection, request: SearchRequest, overrides: RankingOverrides) -> Sought:
        """What a request looks for in a collection that is ranked with some overrides.

        Raises:
            InvalidError: The query does not fit the collection, or the cursor not the query.
        """
        with stage("plan"):
            way = await plan(collection, self._collections.plugin_of(collection), request, overrides)
        start = _start(collection, request, way)
        asked = await self._asking.query(collection, request, way, start.model_version)
        return Sought(collection, request, way, asked, start)


def _start(collection: Collection, request: SearchRequest, way: Plan) -> PageStart:
    identity = fingerprint(collection.id, request, way.mode)
    if request.cursor is not None:
        return PageStart.decode(request.cursor, identity, sorted_by=len(request.sort), user_id=request.user_id)
    window = way.window_of(request.limit) if not request.sort else 0
    return PageStart(identity, collection.model_version, window)
