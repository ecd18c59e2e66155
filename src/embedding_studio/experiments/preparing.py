"""Getting an experiment ready: each arm with its model and the index that goes with it."""

from collections.abc import Awaitable, Callable

from embedding_studio.experiments.models import Arm, Experiment
from embedding_studio.experiments.repository import ExperimentRepository
from embedding_studio.inference import EmbeddingService
from embedding_studio.kernel.errors import ConflictError
from embedding_studio.kernel.time import Clock
from embedding_studio.tasks import FINISHED, TaskService
from embedding_studio.vector_store import Collection, CollectionService, IndexHolds, IndexVersions

__all__ = ["BuildIndex", "Preparation"]

BuildIndex = Callable[[str, int, str], Awaitable[str]]
"""Asks for an index of a collection that goes with a model version, kept for a holder; gives the task, the same again
if it is asked again."""


class Preparation:
    """Holds the indexes of both arms, and has those built that there are not; whatever dies, it goes on from there."""

    def __init__(
        self,
        *,
        experiments: ExperimentRepository,
        holds: IndexHolds,
        versions: IndexVersions,
        collections: CollectionService,
        embeddings: EmbeddingService,
        tasks: TaskService,
        build_index: BuildIndex,
        clock: Clock,
    ) -> None:
        self._experiments = experiments
        self._holds = holds
        self._versions = versions
        self._collections = collections
        self._embeddings = embeddings
        self._tasks = tasks
        self._build_index = build_index
        self._clock = clock

    async def advance(self, experiment: Experiment) -> None:
        """Start the experiment if both arms can serve, else do what is to be done next.

        Raises:
            StudioError: An arm cannot serve: its model is gone, broken or does not fit, or its index cannot be built.
        """
        collection = await self._collections.current(experiment.collection)
        for arm in experiment.arms.values():
            if not await self._embeddings.hold(self._holds, collection, arm.model_version, experiment.holder):
                await self._build(experiment, collection, arm)
                return
        await self._experiments.change(experiment, state="running", started_at=self._clock())

    async def _build(self, experiment: Experiment, collection: Collection, arm: Arm) -> None:
        last = experiment.build_task
        state = (await self._tasks.states([last])).get(last) if last else None
        if last and state not in {*FINISHED, None}:
            return
        if last and state != "succeeded":
            raise ConflictError(f"the index of an arm was not built: the task {last} is {state or 'gone'}")
        if await self._versions.is_building(collection):
            return
        task_id = await self._build_index(collection.name, arm.model_version, experiment.holder)
        if task_id == last:
            raise ConflictError(f"the index that the task {last} built does not go with model {arm.model_version}")
        await self._experiments.change(experiment, build_task=task_id)
