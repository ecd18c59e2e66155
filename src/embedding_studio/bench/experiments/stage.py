"""What every section of `bench experiments` is given, and what it gives back."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from embedding_studio.bench.figures import Figure
from embedding_studio.bench.learning.charts import Chart

__all__ = ["Findings", "Sizes"]


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is simulated.

    Attributes:
        experiments: Of each kind; of those with something to find, a third.
        sessions: Of an experiment with nothing to find; of the others, three times as many.
    """

    experiments: int
    sessions: int
    say: Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Findings:
    """What a section found."""

    figures: Sequence[Figure]
    charts: Sequence[Chart] = ()
