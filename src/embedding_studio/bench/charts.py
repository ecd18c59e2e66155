"""Charts of a bench: means with their intervals, as bars side by side or as curves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from embedding_studio.simulation.quality import Estimate

__all__ = ["Chart", "draw"]

_WIDTH, _HEIGHT = 10.0, 4.6


@dataclass(frozen=True, slots=True)
class Chart:
    """One chart.

    Attributes:
        title: Over it.
        unit: What the vertical axis counts.
        at: Names of the places on the horizontal axis.
        series: By name, an estimate a place.
        kind: Bars that lie along the horizontal axis from their names, or curves.
    """

    title: str
    unit: str
    at: Sequence[str]
    series: Mapping[str, Sequence[Estimate]]
    kind: Literal["bars", "curves"] = "bars"


def draw(charts: Sequence[Chart], path: Path) -> None:
    """Write the charts, one under the other, in the format that the path's ending names."""
    figure = Figure(figsize=(_WIDTH, _HEIGHT * max(1, len(charts))), layout="constrained")
    places = figure.subplots(max(1, len(charts)), squeeze=False)[:, 0]
    for axes, chart in zip(places, charts, strict=False):
        (_bars if chart.kind == "bars" else _curves)(axes, chart)
        axes.set_title(chart.title)
        if len(chart.series) > 1:
            axes.legend(frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)


def _bars(axes: Axes, chart: Chart) -> None:
    height = 0.8 / len(chart.series)
    for number, (name, estimates) in enumerate(chart.series.items()):
        places = [row + number * height for row in range(len(chart.at))]
        axes.barh(places, [one.mean for one in estimates], height, xerr=_errors(estimates), label=name, capsize=2)
    middle = height * (len(chart.series) - 1) / 2
    axes.set_yticks([row + middle for row in range(len(chart.at))], chart.at)
    axes.invert_yaxis()
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_xlabel(chart.unit)


def _curves(axes: Axes, chart: Chart) -> None:
    places = range(len(chart.at))
    for name, estimates in chart.series.items():
        (line,) = axes.plot(places, [one.mean for one in estimates], label=name)
        low, high = ([getattr(one, end) for one in estimates] for end in ("low", "high"))
        axes.fill_between(places, low, high, color=line.get_color(), alpha=0.15, linewidth=0)
    axes.set_xticks(places, chart.at)
    axes.set_ylabel(chart.unit)


def _errors(estimates: Sequence[Estimate]) -> tuple[list[float], list[float]]:
    below = [max(0.0, one.mean - one.low) for one in estimates]
    return below, [max(0.0, one.high - one.mean) for one in estimates]
