"""What the search counts."""

from prometheus_client import Counter, Histogram

__all__ = ["PARTS_SKIPPED", "RECALL", "SESSIONS_LOST"]

PARTS_SKIPPED = Counter(
    "embedding_studio_search_parts_skipped",
    "Query processors and rankers that failed or did not answer in time, so that a search went on without them",
    ("part",),
)

RECALL = Histogram(
    "embedding_studio_search_recall",
    "Share of the exact results that the approximate index found, of the searches that were repeated exactly",
    ("collection", "selectivity"),
    buckets=(0.5, 0.8, 0.9, 0.95, 0.97, 0.99, 1.0),
)

SESSIONS_LOST = Counter(
    "embedding_studio_sessions_lost",
    "Searches that were answered but whose session could not be recorded",
)
