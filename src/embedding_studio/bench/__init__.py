"""Benchmarks: figures beside the floors that were measured in the same run."""

from embedding_studio.bench.search import SearchFigures, bench_search

__all__ = ["SearchFigures", "bench_search"]
