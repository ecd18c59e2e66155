"""Which role handles which jobs. A role loads only what it runs: torch belongs to `finetune` alone."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from embedding_studio.bootstrap import Container
from embedding_studio.infra.jobs import Signal
from embedding_studio.tasks import Chore, Handler, Job

if TYPE_CHECKING:
    from embedding_studio.fine_tuning.championing import Championing

__all__ = ["CHORES", "ROLES", "SIGNALS", "Role"]

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

    return handlers(_championing(container).after(container.deployer.run))


def _finetune(container: Container) -> Mapping[Job, Handler]:
    from embedding_studio.fine_tuning.actors import handlers
    from embedding_studio.worker.fine_tuning import fine_tuner

    return handlers(fine_tuner(container, _championing(container)))


def _championing(container: Container) -> "Championing":
    from embedding_studio.fine_tuning.championing import Championing
    from embedding_studio.fine_tuning.experiment_log import ExperimentLog

    settings = container.settings.mlflow
    return Championing(
        collections=container.collections,
        models=container.models,
        log=ExperimentLog(tracking_uri=settings.tracking_uri, artifacts=settings.artifacts),
    )


def _improve(container: Container) -> Mapping[Job, Handler]:
    from embedding_studio.clickstream.actors import handlers

    return handlers(container.forgetting)


def _improve_at_once(container: Container) -> Mapping[Signal, Callable[[str], Awaitable[None]]]:
    from embedding_studio.improvement.actors import signals

    return signals(container.improvement, container.announcer)


SIGNALS: Mapping[str, Callable[[Container], Mapping[Signal, Callable[[str], Awaitable[None]]]]] = {
    "improve": _improve_at_once,
}
"""What a role does beside its tasks, on messages that are no tasks."""

CHORES: Mapping[str, Callable[[Container], Sequence[Chore]]] = {
    "improve": lambda container: [container.improvement.warm, container.retention.expire],
    "inference": lambda container: [
        container.decider.decide,
        *([container.keeper.tidy] if container.keeper else []),
    ],
}
"""What a role does every few seconds, beside what all do."""

ROLES: Mapping[str, Role] = {
    "finetune": _finetune,
    "improve": _improve,
    "inference": _inference,
    "upsert": _upsert,
}
