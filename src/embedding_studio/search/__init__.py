"""Search: what is asked, what is found, and the session that records it."""

from embedding_studio.search.adjusting import Adjuster
from embedding_studio.search.asking import Asking
from embedding_studio.search.domain import Found, Order, SearchRequest
from embedding_studio.search.exploring import Explorer
from embedding_studio.search.meter import RecallMeter
from embedding_studio.search.mirroring import Mirror
from embedding_studio.search.paging import Pager
from embedding_studio.search.participating import Participation
from embedding_studio.search.rankers import Rankers
from embedding_studio.search.reads import Reads
from embedding_studio.search.retrieving import Retriever
from embedding_studio.search.seeking import Seeker
from embedding_studio.search.service import SearchService
from embedding_studio.search.window import Windows

__all__ = [
    "Adjuster",
    "Asking",
    "Explorer",
    "Found",
    "Mirror",
    "Order",
    "Pager",
    "Participation",
    "Rankers",
    "Reads",
    "RecallMeter",
    "Retriever",
    "SearchRequest",
    "SearchService",
    "Seeker",
    "Windows",
]
