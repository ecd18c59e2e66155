"""From what was asked to what PostgreSQL is asked: vectors of texts, images and items, and matches of words."""

import asyncio
from dataclasses import dataclass, replace

import numpy as np

from embedding_studio.inference import EmbeddingService, OtherEncoderError
from embedding_studio.kernel.errors import InvalidError
from embedding_studio.search.domain import SearchRequest
from embedding_studio.search.metrics import stage
from embedding_studio.search.planning import Plan
from embedding_studio.search.reads import Reads
from embedding_studio.search.together import together
from embedding_studio.vector_store import (
    Collection,
    CollectionService,
    ItemStore,
    Matches,
    Query,
    Vector,
    WordQuery,
    checked_vector,
    find_matches,
    items_with_phrases,
)

__all__ = ["Asked", "Asking", "Plain"]

_PHRASE_MATCHES = 10_000
"""Best matches that are looked at for phrases."""


_IMAGES_AT_ONCE = 2
"""One of 50 million pixels takes some hundred megabytes while it is decoded."""


@dataclass(frozen=True, slots=True)
class Plain:
    """A query as its encoder gives it, before an adapter changes it.

    Attributes:
        space: The encoder; only vectors of one can be compared.
    """

    space: str
    vector: Vector


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as PostgreSQL is asked.

    Attributes:
        query: What to find, without a page's bounds.
        matches: What the words match, which a hybrid search finds beside it.
        plain: None where no vector was needed.
    """

    query: Query
    matches: Matches | None = None
    plain: Plain | None = None


class Asking:
    """Makes the query of a request; what can be done at once is done at once."""

    def __init__(
        self, *, reads: Reads, collections: CollectionService, embeddings: EmbeddingService, items: ItemStore
    ) -> None:
        self._reads = reads
        self._collections = collections
        self._embeddings = embeddings
        self._items = items
        self._decoding = asyncio.Semaphore(_IMAGES_AT_ONCE)

    async def query(self, collection: Collection, request: SearchRequest, plan: Plan, model_version: int) -> Asked:
        """What to find.

        Raises:
            InvalidError: The vector, image or item does not fit the collection.
        """
        looking = self._vector(collection, request, plan, model_version)
        (vector, plain), words = (
            await together(looking, self.words(collection, plan))
            if plan.words
            else (await looking, await self.words(collection, plan))
        )
        query = replace(
            words.query,
            vector=vector,
            max_distance=request.max_distance,
            excluded=() if request.item_id is None else (request.item_id,),
            sort=request.sort,
        )
        return Asked(query, words.matches, plain)

    async def words(self, collection: Collection, plan: Plan) -> Asked:
        """What a query's words, phrases and filters find, where its vector is not asked for."""
        if plan.words is None:
            return Asked(Query(filter=plan.filter))
        with stage("words"):
            matches = await self._matches(collection, plan.words)
            only = await self._only(collection, plan.words.phrases, matches)
        return Asked(Query(matches=matches if plan.mode == "lexical" else None, filter=plan.filter, only=only), matches)

    async def plain(
        self, collection: Collection, request: SearchRequest, plan: Plan, model_version: int
    ) -> Plain | None:
        """The words of a query that is looked up without a vector; None where there are none, or no encoder."""
        if not request.text or not plan.text or self._embeddings.encoder_of(collection) is None:
            return None
        return (await self._vectors_of_text(collection, plan.text, model_version))[1]

    async def _matches(self, collection: Collection, words: WordQuery) -> Matches:
        return await self._reads.run(collection, lambda connection: find_matches(connection, collection, words))

    async def _only(self, collection: Collection, phrases: tuple[str, ...], matches: Matches) -> list[str] | None:
        if not phrases:
            return None
        return await self._reads.run(
            collection,
            lambda connection: items_with_phrases(connection, collection, matches, phrases, limit=_PHRASE_MATCHES),
        )

    async def _vector(
        self, collection: Collection, request: SearchRequest, plan: Plan, model_version: int
    ) -> tuple[Vector | None, Plain | None]:
        if plan.mode not in {"vector", "hybrid"}:
            return None, None
        with stage("embed"):
            return await self._wanted_vector(collection, request, plan, model_version)

    async def _wanted_vector(
        self, collection: Collection, request: SearchRequest, plan: Plan, model_version: int
    ) -> tuple[Vector, Plain]:
        if request.vector is None and request.item_id is None and request.image is None:
            return await self._vectors_of_text(collection, plan.text or "", model_version)
        vector = await self._given_vector(collection, request)
        index = self._embeddings.encoder_of(collection)
        return vector, Plain(index.key if index else "", vector)

    async def _given_vector(self, collection: Collection, request: SearchRequest) -> Vector:
        if request.vector is not None:
            return checked_vector(request.vector, collection, place="query.vector")
        if request.item_id is not None:
            return await self._vector_of_item(collection, request.item_id)
        return await self._vector_of_image(collection, request.image or b"")

    async def _vectors_of_text(self, collection: Collection, text: str, model_version: int) -> tuple[Vector, Plain]:
        """The vector as the version makes it, and before its adapter."""
        model = await self._embeddings.model(collection, model_version)
        index = self._embeddings.encoder_of(collection)
        if index and model.items.key != index.key:
            raise OtherEncoderError(model_version)
        plain = await self._embeddings.embed_queries(model.without_adapter, [text])
        vectors = model.adapter.apply(plain) if model.adapter else plain
        return np.asarray(vectors[0], np.float32), Plain(model.queries.key, np.asarray(plain[0], np.float32))

    async def _vector_of_item(self, collection: Collection, item_id: str) -> Vector:
        known = await self._items.vectors(collection, [item_id])
        if item_id not in known:
            raise InvalidError.at("query.item_id", f"no item {item_id!r}")
        return known[item_id]

    async def _vector_of_image(self, collection: Collection, image: bytes) -> Vector:
        decode = self._collections.plugin_of(collection).preprocessing.build()
        try:
            async with self._decoding:
                pixels = await asyncio.to_thread(decode, image)
            vectors = await self._embeddings.embed_images(self._embeddings.encoder_of(collection), [pixels])
        except InvalidError as error:
            raise InvalidError.at("query.image", error.detail) from None
        return np.asarray(vectors[0], np.float32)
