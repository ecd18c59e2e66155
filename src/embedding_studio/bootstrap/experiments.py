"""Model versions against each other."""

from functools import cached_property

from embedding_studio.bootstrap.deployment import DeploymentServices
from embedding_studio.clickstream import Outcomes
from embedding_studio.experiments import Counter, Decider, Ending, ExperimentService, Preparation, Trials

__all__ = ["ExperimentServices"]


class ExperimentServices(DeploymentServices):
    """Prepares, counts, decides and ends experiments."""

    @cached_property
    def experiments(self) -> ExperimentService:
        return ExperimentService(
            experiments=self._experiment_repository,
            collections=self.collections,
            models=self.models,
            holds=self.holds,
            preparation=self.preparation,
            ending=self.ending,
            counter=self.counter,
            clock=self.clock,
        )

    @cached_property
    def trials(self) -> Trials:
        return Trials(
            experiments=self._experiment_repository,
            catalog=self.catalog,
            embeddings=self.embeddings,
            seen_within=self.settings.vector_store.seen_within,
        )

    @cached_property
    def preparation(self) -> Preparation:
        return Preparation(
            experiments=self._experiment_repository,
            holds=self.holds,
            versions=self.versions,
            collections=self.collections,
            embeddings=self.embeddings,
            tasks=self.tasks,
            build_index=self.upsertion.build_beside,
            clock=self.clock,
        )

    @cached_property
    def ending(self) -> Ending:
        return Ending(
            experiments=self._experiment_repository,
            holds=self.holds,
            collections=self.collections,
            deployments=self.deployments,
            tasks=self.tasks,
            clock=self.clock,
        )

    @cached_property
    def counter(self) -> Counter:
        return Counter(outcomes=Outcomes(), clock=self.clock, settings=self.settings.experiments)

    @cached_property
    def decider(self) -> Decider:
        return Decider(
            experiments=self._experiment_repository,
            preparation=self.preparation,
            counter=self.counter,
            ending=self.ending,
            effort=self.settings.experiments.effort,
        )
