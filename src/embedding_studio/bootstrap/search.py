"""Searches, and the shadows that some of them throw."""

from functools import cached_property

from embedding_studio.bootstrap.experiments import ExperimentServices
from embedding_studio.search import (
    Adjuster,
    Asking,
    Explorer,
    Mirror,
    Pager,
    Participation,
    Rankers,
    Reads,
    RecallMeter,
    Retriever,
    SearchService,
    Seeker,
    Windows,
)
from embedding_studio.shadow import Shadows, ShadowService

__all__ = ["SearchServices"]


class SearchServices(ExperimentServices):
    """Answers searches."""

    @cached_property
    def searches(self) -> SearchService:
        return SearchService(
            pool=self.pool,
            collections=self.collections,
            asking=self.asking,
            retriever=self.retriever,
            windows=self.windows,
            participation=Participation(self.trials),
            seeker=self.seeker,
            pager=self.pager,
            explorer=Explorer(),
            clickstream=self.clickstream,
        )

    @cached_property
    def reads(self) -> Reads:
        return Reads(self.pool, self._replica)

    @cached_property
    def asking(self) -> Asking:
        return Asking(reads=self.reads, collections=self.collections, embeddings=self.embeddings, items=self.items)

    @cached_property
    def meter(self) -> RecallMeter:
        return RecallMeter(self.pool, self.settings.vector_store)

    @cached_property
    def retriever(self) -> Retriever:
        return Retriever(self.reads, self.settings.vector_store, self.meter)

    @cached_property
    def windows(self) -> Windows:
        return Windows(retriever=self.retriever, rankers=Rankers(embeddings=self.embeddings, clock=self.clock))

    @cached_property
    def seeker(self) -> Seeker:
        return Seeker(collections=self.collections, asking=self.asking)

    @cached_property
    def pager(self) -> Pager:
        adjuster = Adjuster(remembers=self.improvement, asking=self.asking, clock=self.clock)
        return Pager(retriever=self.retriever, windows=self.windows, adjuster=adjuster, items=self.items)

    @cached_property
    def shadow(self) -> ShadowService:
        return ShadowService(
            shadows=self._shadow_repository,
            collections=self.collections,
            models=self.models,
            embeddings=self.embeddings,
            holds=self.holds,
            clock=self.clock,
        )

    @cached_property
    def mirror(self) -> Mirror:
        shadows = Shadows(
            shadows=self._shadow_repository,
            collections=self.collections,
            catalog=self.catalog,
            embeddings=self.embeddings,
            seen_within=self.settings.vector_store.seen_within,
        )
        return Mirror(
            shadows=shadows, seeker=self.seeker, pager=self.pager, settings=self.settings.shadow, clock=self.clock
        )
