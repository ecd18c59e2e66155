"""The learning curve as a picture."""

from collections.abc import Sequence
from pathlib import Path

from embedding_studio.kernel.errors import UnavailableError
from embedding_studio.simulation.learning import LearningCurve
from embedding_studio.simulation.quality import Estimate

__all__ = ["draw_curve"]

_WIDTH, _HEIGHT = 9.0, 4.5


def draw_curve(curve: LearningCurve, path: Path) -> None:
    """Write nDCG@10 by day with 95 % intervals, in the format that the path's ending names.

    Raises:
        UnavailableError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415 -- of an extra
    except ModuleNotFoundError as error:
        raise UnavailableError("a chart needs the extra `demo` of embedding-studio") from error
    figure = Figure(figsize=(_WIDTH, _HEIGHT), layout="constrained")
    axes = figure.subplots()
    for name, estimates in _lines(curve).items():
        places = range(len(estimates))
        axes.plot(places, [one.mean for one in estimates], label=name)
        axes.fill_between(places, [one.low for one in estimates], [one.high for one in estimates], alpha=0.15)
    axes.set_xlabel("day")
    axes.set_ylabel("nDCG@10, simulated users")
    axes.legend(frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)


def _lines(curve: LearningCurve) -> dict[str, Sequence[Estimate]]:
    lines = {
        "queries that people ask": [day.seen for day in curve.days],
        "queries that nobody asks": [day.never_seen for day in curve.days if day.never_seen],
    }
    return {name: estimates for name, estimates in lines.items() if estimates}
