"""Which role handles which jobs. A role loads only what it runs: torch belongs to `finetune` alone."""

from collections.abc import Callable, Mapping

from embedding_studio.bootstrap import Container
from embedding_studio.tasks import Handler, Job

__all__ = ["ROLES", "Role"]

Role = Callable[[Container], Mapping[Job, Handler]]
"""What a role does, given the services."""


def _upsert(container: Container) -> Mapping[Job, Handler]:
    from embedding_studio.upsertion.actors import handlers

    return handlers(
        indexer=container.indexer,
        ingester=container.ingester,
        deleter=container.deleter,
        reindexer=container.reindexer,
        optimizer=container.optimizer,
    )


def _inference(container: Container) -> Mapping[Job, Handler]:
    from embedding_studio.inference.actors import handlers

    return handlers(container.deployments)


def _finetune(container: Container) -> Mapping[Job, Handler]:
    from embedding_studio.fine_tuning.actors import FineTuner, handlers
    from embedding_studio.fine_tuning.dataset import DatasetReader
    from embedding_studio.fine_tuning.evaluation import Evaluator
    from embedding_studio.fine_tuning.experiment_log import ExperimentLog
    from embedding_studio.fine_tuning.training import Trainer

    settings = container.settings
    return handlers(
        FineTuner(
            collections=container.collections,
            items=container.items,
            embeddings=container.embeddings,
            models=container.models,
            deployments=container.deployments,
            datasets=DatasetReader(clickstream=container.clickstream, items=container.items),
            trainer=Trainer(
                embeddings=container.embeddings, items=container.items, threads=settings.inference.bulk_threads
            ),
            evaluator=Evaluator(container.searches),
            log=ExperimentLog(tracking_uri=settings.mlflow.tracking_uri, artifacts=settings.mlflow.artifacts),
        )
    )


def _improve(container: Container) -> Mapping[Job, Handler]:
    from embedding_studio.clickstream.actors import handlers

    return handlers(container.forgetting)


ROLES: Mapping[str, Role] = {
    "finetune": _finetune,
    "improve": _improve,
    "inference": _inference,
    "upsert": _upsert,
}
