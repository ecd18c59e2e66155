"""Benchmarks: figures beside the floors that were measured in the same run."""

from embedding_studio.bench.bulk import BulkFigures, bench_bulk
from embedding_studio.bench.upsert import UpsertFigures, bench_upsert

__all__ = ["BulkFigures", "UpsertFigures", "bench_bulk", "bench_upsert"]
