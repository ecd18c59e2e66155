"""Section `lift`: how many sessions it takes to find that one ranking is better."""

from collections.abc import Sequence

import numpy as np

from embedding_studio.bench.charts import Chart
from embedding_studio.bench.experiments.designs import DESIGNS, End, first_crossing, limits, run
from embedding_studio.bench.experiments.pages import Shop, make_shop
from embedding_studio.bench.experiments.stage import Sizes
from embedding_studio.bench.figures import Figure, at_most, seen
from embedding_studio.bench.findings import Findings
from embedding_studio.experiments import Floats
from embedding_studio.simulation.quality import Estimate

__all__ = ["measure_lift"]

_SECTION = "lift"
_CTR, _LIFT = 0.3, 0.1
_LONGER, _FEWER = 3, 3
_WRONG = 0.05
_PLACES = 30
_Z = 1.96


def measure_lift(sizes: Sizes) -> Findings:
    """Median sessions, and the share decided at the horizon, where the treatment's pages have a tenth more clicks."""
    shop = make_shop(ctr=_CTR, lift=_LIFT)
    sessions, experiments = sizes.sessions * _LONGER, max(2, sizes.experiments // _FEWER)
    figures: list[Figure] = []
    curves: dict[str, list[Estimate]] = {}
    places = np.linspace(0, sessions, _PLACES + 1)[1:]
    for name in DESIGNS:
        sizes.say(f"  {name}")
        ends, width = _ends(name, shop, experiments, sessions)
        figures += _figures(name, ends, width, sessions)
        curves[name] = [_share(ends, place) for place in places]
    title = f"Decided for the treatment: click-through rate {_CTR:.0%} and a tenth more"
    at = [f"{place / 1000:.0f}" for place in places]
    return Findings(figures, [Chart(title, "share of experiments, after thousands of sessions", at, curves, "curves")])


def _ends(name: str, shop: Shop, experiments: int, sessions: int) -> tuple[list[End], float]:
    """How each experiment ended; and the mean width of the intervals at the horizon."""
    lines = limits(sessions, sessions)
    ends, widths = [], []
    for one in run(DESIGNS[name], shop, experiments=experiments, sessions=sessions):
        ends.append(first_crossing(one, lines))
        widths.append(2 * lines[-1] * np.sqrt(one.found.variance[-1]))
    return ends, float(np.mean(widths))


def _figures(name: str, ends: Sequence[End], width: float, sessions: int) -> list[Figure]:
    times = np.asarray([one.sessions or np.inf for one in ends])
    right = np.asarray([one.for_treatment for one in ends])
    wrong = float(np.mean((times < np.inf) & ~right))
    note = f"{len(ends)} experiments of {sessions:,} sessions; a median beyond them is given as their number"
    return [
        seen(_SECTION, f"{name}_median_sessions", _bounded(times, sessions), "sessions", note=note),
        seen(_SECTION, f"{name}_decided", float(np.mean(right)), note=note),
        at_most(_SECTION, f"{name}_wrong", wrong, _WRONG),
        seen(_SECTION, f"{name}_interval_width", width),
    ]


def _bounded(times: Floats, sessions: int) -> float:
    return float(min(np.median(times), sessions))


def _share(ends: Sequence[End], place: float) -> Estimate:
    """Decided for the treatment by then."""
    share = float(np.mean([one.for_treatment and (one.sessions or 0) <= place for one in ends]))
    half = _Z * float(np.sqrt(share * (1 - share) / len(ends)))
    return Estimate(share, share - half, share + half)
