"""Which registered model serves, told to MLflow: a word in a registry, which no deployment waits for."""

import asyncio
import logging

from embedding_studio.fine_tuning.experiment_log import ExperimentLog
from embedding_studio.inference import ModelService
from embedding_studio.kernel.errors import UnavailableError
from embedding_studio.tasks import Handler, Outcome, Run
from embedding_studio.vector_store import BASE_MODEL_VERSION, CollectionService

__all__ = ["Championing"]

logger = logging.getLogger(__name__)


class Championing:
    """Keeps the alias `champion` on the model that serves.

    Attributes:
        log: Where it is told.
    """

    def __init__(self, *, collections: CollectionService, models: ModelService, log: ExperimentLog) -> None:
        self._collections = collections
        self._models = models
        self.log = log

    def after(self, handler: Handler) -> Handler:
        """The handler of deployments, with a word to MLflow once it has done its work."""

        async def run(run: Run) -> Outcome:
            outcome = await handler(run)
            await self.note(run.collection)
            return outcome

        return run

    async def note(self, name: str) -> None:
        """Tell which model of a collection serves; a store that does not answer is told the next time."""
        collection = await self._collections.current(name)
        version: int | None = None
        if collection.model_version != BASE_MODEL_VERSION:
            model = await self._models.get(collection, collection.model_version)
            version = model.result.get("mlflow_version")
        try:
            await asyncio.to_thread(self.log.crown, name, version)
        except UnavailableError as error:
            logger.warning("the champion of %r is not noted: %s", name, error.detail)
