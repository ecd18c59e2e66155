"""What people do with results, and what is learnt from it within a second."""

from functools import cached_property

from embedding_studio.bootstrap.store import StoreServices
from embedding_studio.clickstream import ClickstreamService, EventDoctor, ForgettingService, QualityService, Retention
from embedding_studio.improvement import Announcer, Directions, ImprovementService, MemoryRepository

__all__ = ["LearningServices"]


class LearningServices(StoreServices):
    """Takes events in, remembers clicks, and forgets on demand."""

    @cached_property
    def clickstream(self) -> ClickstreamService:
        return ClickstreamService(
            repository=self._clickstream_repository,
            reporting=self._reporting,
            collections=self.collections,
            clock=self.clock,
            settings=self.settings.clickstream,
            on_events=(self.announcer.tell,),
            on_irrelevant=(self.improvement.forget_session,),
        )

    @cached_property
    def announcer(self) -> Announcer:
        return Announcer(backlog=self._backlog, queue=self.queue, clock=self.clock)

    @cached_property
    def improvement(self) -> ImprovementService:
        return ImprovementService(
            memories=MemoryRepository(self.pool, self._lookups),
            backlog=self._backlog,
            sessions=self._clickstream_repository,
            directions=Directions(embeddings=self.embeddings, items=self.items),
            collections=self.collections,
        )

    @cached_property
    def event_doctor(self) -> EventDoctor:
        return EventDoctor(reporting=self._reporting, collections=self.collections, clock=self.clock)

    @cached_property
    def quality(self) -> QualityService:
        return QualityService(reporting=self._reporting, collections=self.collections, clock=self.clock)

    @cached_property
    def forgetting(self) -> ForgettingService:
        return ForgettingService(
            repository=self._clickstream_repository,
            tasks=self.tasks,
            trained_since=self._model_repository.trained_since,
            on_forget=(self.improvement.forget_user,),
        )

    @cached_property
    def retention(self) -> Retention:
        return Retention(
            repository=self._clickstream_repository,
            collections=self.collections,
            experiments=self._experiment_repository.live_ids,
            clock=self.clock,
            settings=self.settings.clickstream,
        )
