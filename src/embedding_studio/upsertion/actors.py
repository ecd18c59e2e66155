"""What the upsertion workers do."""

from embedding_studio.tasks import Handler, Job
from embedding_studio.upsertion.deleting import Deleter
from embedding_studio.upsertion.indexing import Indexer
from embedding_studio.upsertion.ingesting import Ingester
from embedding_studio.upsertion.jobs import DELETE, INGEST, OPTIMIZE, REINDEX, UPSERT
from embedding_studio.upsertion.optimizing import Optimizer
from embedding_studio.upsertion.reindexing import Reindexer

__all__ = ["handlers"]


def handlers(
    *, indexer: Indexer, ingester: Ingester, deleter: Deleter, reindexer: Reindexer, optimizer: Optimizer
) -> dict[Job, Handler]:
    """The jobs of this context and what does them."""
    return {
        UPSERT: indexer.run,
        INGEST: ingester.run,
        DELETE: deleter.run,
        REINDEX: reindexer.run,
        OPTIMIZE: optimizer.run,
    }
