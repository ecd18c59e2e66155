"""`bench soak`: all kinds of traffic together for a while, and what is left of memory, handles and data after it."""

from embedding_studio.bench.soak.run import bench_soak
from embedding_studio.bench.soak.traffic import Rates

__all__ = ["Rates", "bench_soak"]
