"""Model versions on their way to where they serve."""

from datetime import timedelta
from functools import cached_property

from embedding_studio.bootstrap.plugins import encoder_sources
from embedding_studio.bootstrap.upsertion import UpsertionServices
from embedding_studio.inference import DeploymentService, ModelKeeper
from embedding_studio.upsertion import Deployer

__all__ = ["DeploymentServices"]


class DeploymentServices(UpsertionServices):
    """Puts model versions into service."""

    @cached_property
    def deployments(self) -> DeploymentService:
        return DeploymentService(
            catalog=self.catalog,
            models=self.models,
            embeddings=self.embeddings,
            tasks=self.tasks,
            before_switch=self.improvement.prepare,
            seen_within=self.settings.vector_store.seen_within,
        )

    @cached_property
    def deployer(self) -> Deployer:
        return Deployer(
            collections=self.collections,
            models=self.models,
            embeddings=self.embeddings,
            deployments=self.deployments,
            reindexer=self.reindexer,
        )

    @cached_property
    def keeper(self) -> ModelKeeper | None:
        """Only where Triton runs the encoders."""
        if self.encoders.triton is None:
            return None
        return ModelKeeper(
            triton=self.encoders.triton,
            encoders=self.encoders,
            plugins=encoder_sources(self.plugins),
            versions=self.versions,
            at_hand=(
                self.catalog.versions_at_hand,
                self._model_repository.next_at_hand,
                self._experiment_repository.versions_at_hand,
                self._shadow_repository.versions_at_hand,
            ),
            models=self._model_repository,
            clock=self.clock,
            retire_after=timedelta(seconds=self.settings.inference.triton.retire_after),
        )
