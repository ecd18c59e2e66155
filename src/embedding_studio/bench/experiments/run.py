"""The order of the sections of `bench experiments`."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from embedding_studio.bench.charts import Chart, draw
from embedding_studio.bench.experiments.lift import measure_lift
from embedding_studio.bench.experiments.losses import measure_losses
from embedding_studio.bench.experiments.null import measure_null
from embedding_studio.bench.experiments.rivals import measure_rivals
from embedding_studio.bench.experiments.stage import Sizes
from embedding_studio.bench.figures import Figure
from embedding_studio.bench.findings import Findings
from embedding_studio.bench.sections import chosen, machine

__all__ = ["SECTIONS", "bench_experiments"]

SECTIONS: Mapping[str, Callable[[Sizes], Findings]] = {
    "null": measure_null,
    "lift": measure_lift,
    "losses": measure_losses,
    "rivals": measure_rivals,
}
"""What there is to measure."""


def bench_experiments(*, only: Sequence[str], sizes: Sizes, plot: Path | None) -> list[Figure]:
    """Measure section after section.

    Args:
        only: Names of sections; empty: all.
        sizes: How much is simulated.
        plot: Where the charts are written; None: nowhere.
    """
    figures, charts = machine(), list[Chart]()
    for name in chosen(SECTIONS, only, only_when_asked=()):
        sizes.say(f"Section {name}")
        findings = SECTIONS[name](sizes)
        figures += findings.figures
        charts += findings.charts
    if plot and charts:
        draw(charts, plot)
    return figures
