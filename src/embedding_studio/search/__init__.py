"""Search: what is asked, what is found, and the session that records it."""

from embedding_studio.search.asking import Asking
from embedding_studio.search.domain import Found, SearchRequest
from embedding_studio.search.exploring import Explorer
from embedding_studio.search.meter import RecallMeter
from embedding_studio.search.rankers import Rankers
from embedding_studio.search.retrieving import Retriever
from embedding_studio.search.service import SearchService
from embedding_studio.search.window import Windows

__all__ = [
    "Asking",
    "Explorer",
    "Found",
    "Rankers",
    "RecallMeter",
    "Retriever",
    "SearchRequest",
    "SearchService",
    "Windows",
]
