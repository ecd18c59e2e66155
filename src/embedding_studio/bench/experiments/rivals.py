"""Section `rivals`: other anytime-valid tests beside the product's, on the same sessions (ADR 0021)."""

from collections.abc import Mapping

import numpy as np

from embedding_studio.bench.experiments.designs import ALPHA, Seen, first_crossing, limits
from embedding_studio.bench.experiments.pages import Shop, make_shop
from embedding_studio.bench.experiments.stage import Sizes
from embedding_studio.bench.experiments.streams import Stream, arms_over_time, clicked_stream
from embedding_studio.bench.figures import Figure, seen
from embedding_studio.bench.findings import Findings
from embedding_studio.experiments import Floats, difference, enough

__all__ = ["bet", "measure_rivals"]

_SECTION = "rivals"
_CTR, _LIFT = 0.3, 0.1
_FEWER = 3
_FIRST_VARIANCE = 0.25
_DEAREST_BET = 0.5
_HORIZONS = {"mixture_at_a_quarter": 1.0, "mixture_at_the_end": 4.0}


def measure_rivals(sizes: Sizes) -> Findings:
    """Of A/B tests by session: share of false decisions and, of a lift of a tenth, share found and median sessions."""
    experiments = max(2, sizes.experiments // _FEWER)
    figures: list[Figure] = []
    for shop in (make_shop(ctr=_CTR, lift=0.0), make_shop(ctr=_CTR, lift=_LIFT)):
        runs = [_decided(shop, sizes.sessions, seed) for seed in range(experiments)]
        for name in runs[0]:
            times = np.asarray([run[name] or np.inf for run in runs])
            kind = "false_decisions" if shop.is_null else "found"
            figures.append(seen(_SECTION, f"{name}_{kind}", float(np.mean(times < np.inf))))
            if not shop.is_null:
                median = float(min(np.median(times), sizes.sessions))
                figures.append(seen(_SECTION, f"{name}_median_sessions", median, "sessions"))
    return Findings(figures)


def _decided(shop: Shop, sessions: int, seed: int) -> Mapping[str, int | None]:
    """By test, after how many sessions it decides."""
    rng = np.random.default_rng([seed, 1])
    treatment = shop.control if shop.is_null else shop.treatment
    stream = clicked_stream(shop.control, treatment, sessions, "session", rng)
    arms = arms_over_time(stream, with_past=False)
    both = Seen(difference(arms), enough(arms))
    ours = {
        name: first_crossing(both, limits(sessions, round(sessions * far))).sessions for name, far in _HORIZONS.items()
    }
    return {**ours, "betting": bet(_centred(stream))}


def bet(values: Floats) -> int | None:
    """After how many values a gambler has won 1/alpha against their mean being 0; None: never.

    Waudby-Smith & Ramdas 2023, "Estimating means of bounded random variables by betting"; each bet is what has been
    best so far, which is exactly valid for any number of values.

    Args:
        values: -1..1.
    """
    counts = np.arange(2, len(values) + 2)
    means = np.cumsum(values) / counts
    variances = (_FIRST_VARIANCE + np.cumsum((values - means) ** 2)) / counts
    mean, variance = np.append(0.0, means[:-1]), np.append(_FIRST_VARIANCE, variances[:-1])
    bets = np.clip(mean / (variance + mean**2), -_DEAREST_BET, _DEAREST_BET)
    won = np.cumsum(np.log1p(bets * values)) > -np.log(ALPHA)
    return int(won.argmax()) + 1 if won.any() else None


def _centred(stream: Stream) -> Floats:
    """Each session's part of the difference between the arms, less what the sessions before make it expected to be."""
    before = np.append(0.0, np.cumsum(stream.value)[:-1])
    expected = (before + 1 / 2) / np.arange(1, len(before) + 1)
    return np.where(stream.treated, 1.0, -1.0) * (stream.value - expected)
