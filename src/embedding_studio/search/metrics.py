"""What the search counts and times."""

import time
from typing import Literal, Self, get_args

from prometheus_client import Counter, Histogram

from embedding_studio.infra.tracing import span

__all__ = ["PARTS_SKIPPED", "RECALL", "SEARCHES", "SESSIONS_LOST", "Stage", "stage"]

Stage = Literal["plan", "embed", "words", "retrieve", "memory", "rank", "hydrate", "facets", "record"]
"""What a search does; some of it at once."""

_BUCKETS = (0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)

_STAGES = Histogram(
    "embedding_studio_search_stage_seconds",
    "Seconds of searches by stage, of which some overlap",
    ("stage",),
    buckets=_BUCKETS,
)
_STAGE = {name: _STAGES.labels(name) for name in get_args(Stage)}

SEARCHES = Histogram(
    "embedding_studio_search_seconds",
    "Seconds until a search was answered, its session recorded if it is tracked",
    ("mode", "tracked"),
    buckets=_BUCKETS,
)

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


class stage:  # noqa: N801  # it is used as a statement
    """Times a stage of a search, as a part of its trace too."""

    __slots__ = ("_name", "_span", "_started")

    def __init__(self, name: Stage) -> None:
        self._name = name

    def __enter__(self) -> Self:
        self._started = time.perf_counter()
        self._span = span(f"search {self._name}")
        self._span.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._span.__exit__(kind)
        _STAGE[self._name].observe(time.perf_counter() - self._started)
