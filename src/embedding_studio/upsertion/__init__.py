"""Items in, items out, and the vectors that keep step with them."""

from embedding_studio.upsertion.domain import NewItem
from embedding_studio.upsertion.indexing import Indexer
from embedding_studio.upsertion.service import UpsertionService
from embedding_studio.upsertion.staging import Staging

__all__ = ["Indexer", "NewItem", "Staging", "UpsertionService"]
