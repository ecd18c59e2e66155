"""`bench search`: every figure of the search, beside its floor and what is asked of it."""

from embedding_studio.bench.figures import Figure
from embedding_studio.bench.search.run import SECTIONS, bench_search
from embedding_studio.bench.search.stage import Sizes

__all__ = ["SECTIONS", "Figure", "Sizes", "bench_search"]
