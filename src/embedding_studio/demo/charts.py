"""The report's charts, as SVG that stands on its own."""

import io
import re
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.typing import RcKeyType

from embedding_studio.demo.record import DemoReport
from embedding_studio.simulation.quality import Estimate

__all__ = ["learning_curve"]

SEEN, NEVER_CLICKED, HELD_OUT = "#8a94a6", "#0b6e4f", "#c8741a"
_MARKS = {"promote": ("o", NEVER_CLICKED), "reject": ("X", "#b3261e"), "not_enough_evidence": ("D", SEEN)}
_STYLE: dict[RcKeyType, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "demo",
    "font.family": "sans-serif",
    "font.size": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#c5cad3",
    "axes.labelcolor": "#4a5160",
    "xtick.color": "#4a5160",
    "ytick.color": "#4a5160",
}
_NOT_NEEDED_IN_HTML = re.compile(r"^.*?(?=<svg)|<metadata>.*?</metadata>| xmlns(:\w+)?=\"[^\"]*\"", re.DOTALL)


def learning_curve(report: DemoReport) -> str:
    """An SVG element: nDCG@10 after each day on seen and never-clicked queries, with 95 % intervals and decisions."""
    curves = [report.before, *(day.curve for day in report.days)]
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(9.2, 4.4), layout="constrained")
        axes = figure.subplots()
        _line(axes, [curve.seen for curve in curves], SEEN, "seen queries")
        _line(axes, [curve.never_clicked for curve in curves], NEVER_CLICKED, "never-clicked queries")
        held_out = [curve.held_out_words.mean for curve in curves]
        axes.plot(range(len(curves)), held_out, "--", color=HELD_OUT, label="never-clicked, held-out words")
        _decisions(axes, report)
        axes.set_xticks(range(len(curves)), ["before", *(f"day {day.number}" for day in report.days)])
        axes.set_ylabel("nDCG@10")
        axes.grid(axis="y", color="#e7eaf0")
        axes.legend(frameon=False, loc="upper left")
        return _svg(figure)


def _line(axes: Axes, estimates: Sequence[Estimate], color: str, label: str) -> None:
    days = range(len(estimates))
    low, high = ([getattr(one, end) for one in estimates] for end in ("low", "high"))
    axes.fill_between(days, low, high, color=color, alpha=0.15, linewidth=0)
    axes.plot(days, [one.mean for one in estimates], color=color, label=label, linewidth=2.2)


def _decisions(axes: Axes, report: DemoReport) -> None:
    for day in report.days:
        mark, color = _MARKS[day.decision]
        axes.plot(day.number, day.curve.never_clicked.mean, mark, color=color, markersize=9, markeredgecolor="white")


def _svg(figure: Figure) -> str:
    written = io.StringIO()
    figure.savefig(written, format="svg", transparent=True)
    return _NOT_NEEDED_IN_HTML.sub("", written.getvalue())
