"""Making, looking at and stopping experiments."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from embedding_studio.experiments.arms import check_arm
from embedding_studio.experiments.counting import Counted, Counter
from embedding_studio.experiments.domain import Kind, Promote, Unit, Variant
from embedding_studio.experiments.ending import Ending, refuse_unpromotable
from embedding_studio.experiments.errors import ExperimentEndedError, ExperimentNotFoundError
from embedding_studio.experiments.models import Arm, Experiment, StopRule
from embedding_studio.experiments.preparing import Preparation
from embedding_studio.experiments.repository import ExperimentRepository
from embedding_studio.inference import ModelService
from embedding_studio.kernel.errors import StudioError
from embedding_studio.kernel.ids import new_id
from embedding_studio.kernel.time import Clock
from embedding_studio.vector_store import Collection, CollectionService, IndexHolds

__all__ = ["ExperimentService", "NewExperiment"]

_SALT_BYTES = 16


@dataclass(frozen=True, slots=True)
class NewExperiment:
    """A wish for an experiment."""

    name: str
    kind: Kind
    control: Arm
    treatment: Arm
    traffic: float
    unit: Unit
    stop: StopRule
    promote: Promote


class ExperimentService:
    """Experiments of collections, one at a time in each."""

    def __init__(
        self,
        *,
        experiments: ExperimentRepository,
        collections: CollectionService,
        models: ModelService,
        holds: IndexHolds,
        preparation: Preparation,
        ending: Ending,
        counter: Counter,
        clock: Clock,
    ) -> None:
        self._experiments = experiments
        self._collections = collections
        self._models = models
        self._holds = holds
        self._preparation = preparation
        self._ending = ending
        self._counter = counter
        self._clock = clock

    async def create(self, name: str, new: NewExperiment) -> Experiment:
        """Start an experiment, or have the indexes built first that its arms need.

        Raises:
            CollectionNotFoundError: There is no such collection.
            InvalidError: An arm is of a model that there is not, or of a ranking that cannot be; names the place.
            ExperimentRunsError: Another experiment is live.
            OtherEncoderError: An arm's model does not fit the collection's plugin any more.
        """
        collection = await self._collections.current(name)
        await self._check(collection, new)
        experiment = Experiment(
            id=new_id(),
            collection=collection.name,
            collection_id=collection.id,
            name=new.name,
            kind=new.kind,
            control=new.control,
            treatment=new.treatment,
            traffic=new.traffic,
            unit=new.unit,
            stop=new.stop,
            promote=new.promote,
            salt=secrets.token_hex(_SALT_BYTES),
            created_at=self._clock(),
        )
        if new.promote == "if_better":
            refuse_unpromotable(experiment, "treatment")
        await self._experiments.add(experiment)
        await self._prepare(experiment)
        return await self.get(name, experiment.id)

    async def get(self, name: str, experiment_id: str) -> Experiment:
        """An experiment.

        Raises:
            CollectionNotFoundError: There is no such collection.
            ExperimentNotFoundError: It has no such experiment.
        """
        collection = await self._collections.get(name)
        experiment = await self._experiments.get(collection.name, experiment_id)
        if experiment is None:
            raise ExperimentNotFoundError(name, experiment_id)
        return experiment

    async def count(self, experiment: Experiment) -> Counted:
        """What was counted of an experiment until now, and what that says."""
        return await self._counter.count(experiment)

    async def page(self, name: str, *, before: str, limit: int) -> Sequence[Experiment]:
        """Experiments, newest first, from the one before the id `before`.

        Raises:
            CollectionNotFoundError: There is no such collection.
        """
        collection = await self._collections.get(name)
        return await self._experiments.page(collection.name, before=before, limit=limit)

    async def stop(self, name: str, experiment_id: str, *, promote: Variant | None) -> Experiment:
        """Stop an experiment, and deploy an arm if that is wanted; that may still be wanted of one that was decided.

        Raises:
            ExperimentNotFoundError: There is no such experiment.
            ExperimentEndedError: It has ended, and nothing is to be deployed, or was already.
            PromotionError: The arm differs in what no deployment changes.
        """
        experiment = await self.get(name, experiment_id)
        if experiment.is_live:
            done = await self._ending.end(experiment, "stopped", "somebody stopped it", promoted=promote)
        else:
            done = promote is not None and await self._ending.choose(experiment, promote)
        if not done:
            raise ExperimentEndedError(experiment_id, (await self.get(name, experiment_id)).state)
        await self._ending.promote(await self.get(name, experiment_id))
        return await self.get(name, experiment_id)

    async def delete_of(self, name: str) -> None:
        """Forget the experiments of a deleted collection, whose indexes go with it."""
        await self._experiments.delete_of(name)

    async def _prepare(self, experiment: Experiment) -> None:
        """Do the first steps; what can never be is not kept."""
        try:
            await self._preparation.advance(experiment)
        except StudioError as error:
            if error.retryable:
                return
            await self._experiments.remove(experiment.id)
            await self._holds.release(experiment.holder)
            raise

    async def _check(self, collection: Collection, new: NewExperiment) -> None:
        plugin = self._collections.plugin_of(collection)
        for variant, arm in (("control", new.control), ("treatment", new.treatment)):
            await check_arm(collection, plugin, self._models, arm, place=f"{variant}.")
