"""What the upsertion workers do."""

from embedding_studio.tasks import Handler, Job
from embedding_studio.upsertion.indexing import Indexer
from embedding_studio.upsertion.jobs import UPSERT

__all__ = ["handlers"]


def handlers(indexer: Indexer) -> dict[Job, Handler]:
    """The jobs of this context and what does them."""
    return {UPSERT: indexer.run}
