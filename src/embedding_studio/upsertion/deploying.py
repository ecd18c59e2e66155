"""Deploying a model that goes with an index of its own: the index is built, then both serve from the same moment."""

from embedding_studio.inference import DeploymentService, EmbeddingService, ModelService
from embedding_studio.tasks import Outcome, Run
from embedding_studio.upsertion.reindexing import Reindexer
from embedding_studio.vector_store import CollectionService

__all__ = ["Deployer"]


class Deployer:
    """Does the task `deploy`, with a reindex where the model needs one."""

    def __init__(
        self,
        *,
        collections: CollectionService,
        models: ModelService,
        embeddings: EmbeddingService,
        deployments: DeploymentService,
        reindexer: Reindexer,
    ) -> None:
        self._collections = collections
        self._models = models
        self._embeddings = embeddings
        self._deployments = deployments
        self._reindexer = reindexer

    async def run(self, run: Run) -> Outcome:
        """Deploy or roll back; a model of another encoder's vectors comes with its index, built for it or kept."""
        collection = await self._collections.current(run.collection)
        version = run.payload.get("model_version")
        if version is not None and await self._models.needs_index(collection, version):
            await self._reindexer.refuse_other_encoder(collection, version)
            await self._embeddings.make_ready(collection, version)
            return await self._reindexer.switch_to_kept(run, collection) or await self._reindexer.run(run)
        return await self._deployments.run(run)
