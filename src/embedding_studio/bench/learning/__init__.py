"""`bench learning`: what is learnt from use, on judged sets whose users are simulated."""

from embedding_studio.bench.figures import Figure
from embedding_studio.bench.learning.run import SECTIONS, bench_learning

__all__ = ["SECTIONS", "Figure", "bench_learning"]
