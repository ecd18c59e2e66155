"""What a section of a bench gives back that has charts."""

from collections.abc import Sequence
from dataclasses import dataclass

from embedding_studio.bench.charts import Chart
from embedding_studio.bench.figures import Figure

__all__ = ["Findings"]


@dataclass(frozen=True, slots=True)
class Findings:
    """What a section found."""

    figures: Sequence[Figure]
    charts: Sequence[Chart] = ()
