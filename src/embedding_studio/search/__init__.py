"""Search: what is asked, what is found, and the session that records it."""

from embedding_studio.search.domain import Found, Mode, SearchRequest
from embedding_studio.search.service import SearchService

__all__ = ["Found", "Mode", "SearchRequest", "SearchService"]
