"""Items in, items out, and the vectors that keep step with them."""

from embedding_studio.upsertion.deleting import Deleter
from embedding_studio.upsertion.deploying import Deployer
from embedding_studio.upsertion.domain import NewItem, PreparedItem, StagedItem, parts_of
from embedding_studio.upsertion.embedding import Embedder
from embedding_studio.upsertion.indexing import Indexer
from embedding_studio.upsertion.ingesting import Ingester
from embedding_studio.upsertion.optimizing import Optimizer
from embedding_studio.upsertion.preparing import Preparers
from embedding_studio.upsertion.reindexing import Reindexer
from embedding_studio.upsertion.service import UpsertionService
from embedding_studio.upsertion.settings import UpsertionSettings
from embedding_studio.upsertion.staging import Staging
from embedding_studio.upsertion.tidying import Tidier

__all__ = [
    "Deleter",
    "Deployer",
    "Embedder",
    "Indexer",
    "Ingester",
    "NewItem",
    "Optimizer",
    "PreparedItem",
    "Preparers",
    "Reindexer",
    "StagedItem",
    "Staging",
    "Tidier",
    "UpsertionService",
    "UpsertionSettings",
    "parts_of",
]
