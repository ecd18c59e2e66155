"""What the improvement workers do."""

from embedding_studio.clickstream.forgetting import ForgettingService
from embedding_studio.clickstream.jobs import FORGET
from embedding_studio.tasks import Handler, Job

__all__ = ["handlers"]


def handlers(forgetting: ForgettingService) -> dict[Job, Handler]:
    """The jobs of this context and what does them."""
    return {FORGET: forgetting.run}
