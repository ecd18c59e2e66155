"""What the inference workers do."""

from embedding_studio.inference.jobs import DEPLOY
from embedding_studio.tasks import Handler, Job

__all__ = ["handlers"]


def handlers(deploy: Handler) -> dict[Job, Handler]:
    """The jobs of this context and what does them; `deploy` stands above it, as it may build an index."""
    return {DEPLOY: deploy}
