"""Which role handles which jobs. A role loads only what it runs: torch belongs to `finetune` alone."""

from collections.abc import Callable, Mapping

from embedding_studio.bootstrap import Container
from embedding_studio.tasks import Handler, Job

__all__ = ["ROLES", "Role"]

Role = Callable[[Container], Mapping[Job, Handler]]
"""What a role does, given the services."""


def _upsert(container: Container) -> Mapping[Job, Handler]:
    from embedding_studio.upsertion.actors import handlers

    return handlers(container.indexer)


def _inference(container: Container) -> Mapping[Job, Handler]:
    from embedding_studio.inference.actors import handlers

    return handlers(container.deployments)


ROLES: Mapping[str, Role] = {"inference": _inference, "upsert": _upsert}
