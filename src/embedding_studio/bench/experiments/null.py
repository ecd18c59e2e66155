"""Section `null`: experiments on arms that are as good as each other, read after every session."""

import numpy as np

from embedding_studio.bench.experiments.designs import ALPHA, DESIGNS, first_crossing, limits, run
from embedding_studio.bench.experiments.pages import make_shop
from embedding_studio.bench.experiments.stage import Sizes
from embedding_studio.bench.figures import Figure, at_most
from embedding_studio.bench.findings import Findings

__all__ = ["measure_null"]

_CTR = 0.3
_NAIVE = 1.96


def measure_null(sizes: Sizes) -> Findings:
    """The share of false decisions, by design; its floor is what a test for one look does if one looks all the time."""
    figures = [_false_decisions(name, sizes) for name in DESIGNS]
    return Findings(figures)


def _false_decisions(name: str, sizes: Sizes) -> Figure:
    sizes.say(f"  {name}")
    shop = make_shop(ctr=_CTR, lift=0.0)
    ours, naive = limits(sizes.sessions, sizes.sessions), np.full(sizes.sessions, _NAIVE)
    seen = run(DESIGNS[name], shop, experiments=sizes.experiments, sessions=sizes.sessions)
    decided = np.asarray([[first_crossing(one, line).sessions is not None for line in (ours, naive)] for one in seen])
    false, floor = decided.mean(axis=0).tolist()
    return at_most("null", f"{name}_false_decisions", false, ALPHA, floor=floor)
