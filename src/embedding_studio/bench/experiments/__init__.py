"""`bench experiments`: how often experiments err if they are read all the time, and how soon they decide."""

from embedding_studio.bench.experiments.run import SECTIONS, bench_experiments
from embedding_studio.bench.experiments.stage import Sizes
from embedding_studio.bench.figures import Figure, report

__all__ = ["SECTIONS", "Figure", "Sizes", "bench_experiments", "report"]
