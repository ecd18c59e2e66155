"""Experiments as searches see them: what runs now, and what each arm serves."""

import asyncio
import logging
from dataclasses import dataclass

from pymongo.errors import PyMongoError

from embedding_studio.experiments.domain import Kind, Unit, Variant, variant_of
from embedding_studio.experiments.models import Arm, Experiment
from embedding_studio.experiments.overrides import RankingOverrides
from embedding_studio.experiments.repository import ExperimentRepository
from embedding_studio.inference import EmbeddingService, ModelNotFoundError
from embedding_studio.kernel.errors import InvalidError
from embedding_studio.kernel.sharing import SharedWork
from embedding_studio.vector_store import Catalog, Collection

__all__ = ["ServedArm", "Trial", "Trials"]

logger = logging.getLogger(__name__)

_PATIENCE_S = 0.5
_REST_S = 5.0
"""A search waits so long for MongoDB, which is asked again so much later."""


@dataclass(frozen=True, slots=True)
class ServedArm:
    """The collection as an arm serves it: its model version, and the index that goes with that."""

    collection: Collection
    overrides: RankingOverrides


@dataclass(frozen=True, slots=True)
class Trial:
    """An experiment that searches may belong to."""

    id: str
    kind: Kind
    unit: Unit
    salt: str
    traffic: float
    control: ServedArm
    treatment: ServedArm

    def arm(self, variant: Variant) -> ServedArm:
        """One of both."""
        return self.control if variant == "control" else self.treatment

    def variant_of(self, *, user_id: str | None, session_id: str | None) -> Variant | None:
        """The variant of a search, by its user or its session; None if it is not in the experiment."""
        unit = user_id if self.unit == "user" else session_id
        return None if unit is None else variant_of(unit, salt=self.salt, traffic=self.traffic)


class Trials:
    """Keeps a short memory of what runs, because every search asks."""

    def __init__(
        self,
        *,
        experiments: ExperimentRepository,
        catalog: Catalog,
        embeddings: EmbeddingService,
        seen_within: float,
    ) -> None:
        """`seen_within` is in how many seconds a start or a stop is seen."""
        self._experiments = experiments
        self._catalog = catalog
        self._embeddings = embeddings
        self._seen_within = seen_within
        self._seen: dict[int, tuple[float, Trial | None]] = {}
        self._looking = SharedWork[int, tuple[float, Trial | None]]()

    async def running(self, collection: Collection) -> Trial | None:
        """The experiment that a collection runs; while MongoDB does not answer, the one that it ran last."""
        if (seen := self._recent(collection)) is None:
            seen = await self._looking.get(collection.id, lambda: self._look(collection))
        return seen[1]

    async def of_cursor(self, collection: Collection, experiment_id: str) -> Trial:
        """The experiment that the first page of a search belonged to, also when it has ended since.

        Raises:
            InvalidError: There is no such experiment, or an arm's index is gone.
        """
        running = await self.running(collection)
        if running is not None and running.id == experiment_id:
            return running
        known = await self._experiments.get(collection.name, experiment_id)
        trial = await self._trial(collection, known) if known and known.state != "preparing" else None
        if trial is None:
            raise InvalidError.at("cursor", "belongs to an experiment that is gone: search again")
        return trial

    def _recent(self, collection: Collection) -> tuple[float, Trial | None] | None:
        seen = self._seen.get(collection.id)
        return seen if seen and asyncio.get_running_loop().time() < seen[0] else None

    async def _look(self, collection: Collection) -> tuple[float, Trial | None]:
        """What runs, and until when it need not be looked at again."""
        now = asyncio.get_running_loop().time()
        try:
            experiment = await self._experiments.running(collection.id, within=_PATIENCE_S)
        except PyMongoError as error:
            logger.warning("whether %r runs an experiment is not known: %s", collection.name, error)
            seen = now + _REST_S, self._seen.get(collection.id, (0.0, None))[1]
        else:
            seen = now + self._seen_within, await self._trial(collection, experiment) if experiment else None
        self._seen[collection.id] = seen
        return seen

    async def _trial(self, collection: Collection, experiment: Experiment) -> Trial | None:
        arms = [await self._served(collection, arm) for arm in (experiment.control, experiment.treatment)]
        if experiment.collection_id != collection.id or arms[0] is None or arms[1] is None:
            return None
        return Trial(
            id=experiment.id,
            kind=experiment.kind,
            unit=experiment.unit,
            salt=experiment.salt,
            traffic=experiment.traffic,
            control=arms[0],
            treatment=arms[1],
        )

    async def _served(self, collection: Collection, arm: Arm) -> ServedArm | None:
        try:
            encoder = await self._embeddings.encoder_with(collection, arm.model_version)
        except ModelNotFoundError:
            return None
        served = await self._catalog.serving(collection, arm.model_version, encoder)
        return ServedArm(served, arm.overrides) if served else None
