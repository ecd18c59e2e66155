"""What the search counts."""

from prometheus_client import Counter

__all__ = ["SESSIONS_LOST"]

SESSIONS_LOST = Counter(
    "embedding_studio_sessions_lost",
    "Searches that were answered but whose session could not be recorded",
)
