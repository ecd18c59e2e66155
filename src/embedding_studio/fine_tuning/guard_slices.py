"""Guard slices: kinds of queries that a model must not pay for its gain with.

For a slice of at least 50 groups the claim "it lost more than .01" must be refuted: the one-sided lower bound of its
mean change has to lie above -.01. The bounds of m slices hold together with 95 % (Holm 1979): ordered from the
strongest refutation to the weakest, the i-th bound is taken at the level .05 / (m - i + 1). So the weakest slice is
held to a plain 95 % bound, and each stronger one to a stricter one. Holm's procedure would stop at the first slice that
fails; since one failure refuses the model anyway, the others are reported with their own bounds.

Below 50 groups such a bound is beyond reach even of a good model: changes of nDCG@10 spread by about .25 a group, which
puts the bound .06 below the mean. A slice of 5 to 49 groups therefore only fails if harm shows: if even the upper 95 %
bound is below -.01. A smaller one never fails. Both are named in the decision's reasons, so that nobody takes them for
guarded.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from embedding_studio.fine_tuning.bootstrap import resampled_means

__all__ = ["SliceResult", "slice_results"]

MARGIN = 0.01
LEVEL = 0.05
MIN_GROUPS = 50
MIN_GROUPS_OF_HARM = 5

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class SliceResult:
    """How one slice fared.

    Attributes:
        groups: Groups of the slice that were judged.
        delta: Their mean change; None without groups.
        bound: The lower bound of `delta` from 50 groups on, the upper one below; None under 5.
        level: One-sided error probability of `bound`.
        guarded: Whether there are groups enough to rule out harm.
        failed: Whether the slice refuses the model.
        verdict: One sentence.
    """

    groups: int
    delta: float | None
    bound: float | None
    level: float | None
    guarded: bool
    failed: bool
    verdict: str


def slice_results(changes: Mapping[str, Sequence[float]], *, resamples: int, seed: int) -> dict[str, SliceResult]:
    """Judge every slice.

    Args:
        changes: What each group of a slice gained, by the slice's name.
        resamples: Of the bootstrap.
        seed: Of the bootstrap.
    """
    values = {name: np.asarray(changes[name], np.float64) for name in sorted(changes)}
    means = {
        name: resampled_means(own[:, None], resamples=resamples, seed=seed)[:, 0]
        for name, own in values.items()
        if len(own) >= MIN_GROUPS_OF_HARM
    }
    levels = _holm_levels({name: own for name, own in means.items() if len(values[name]) >= MIN_GROUPS})
    return {name: _judged(name, own, means.get(name), levels.get(name)) for name, own in values.items()}


def _holm_levels(means: Mapping[str, Floats]) -> dict[str, float]:
    p_values = {name: float(np.mean(own <= -MARGIN)) for name, own in means.items()}
    strongest_first = sorted(p_values, key=lambda name: (p_values[name], name))
    return {name: LEVEL / (len(means) - rank) for rank, name in enumerate(strongest_first)}


def _judged(name: str, values: Floats, means: Floats | None, level: float | None) -> SliceResult:
    if means is None:
        delta = float(values.mean()) if len(values) else None
        verdict = f"{name}: {len(values)} groups say nothing"
        return SliceResult(len(values), delta, None, None, guarded=False, failed=False, verdict=verdict)
    return _unguarded(name, values, means) if level is None else _guarded(name, values, means, level)


def _guarded(name: str, values: Floats, means: Floats, level: float) -> SliceResult:
    bound = float(np.quantile(means, level))
    failed = not bound > -MARGIN
    what = f"a loss of more than {MARGIN} is not ruled out" if failed else "no harm"
    verdict = f"{name}: {what}, {values.mean():+.4f} with lower bound {bound:+.4f} over {len(values)} groups"
    return SliceResult(len(values), float(values.mean()), bound, level, guarded=True, failed=failed, verdict=verdict)


def _unguarded(name: str, values: Floats, means: Floats) -> SliceResult:
    bound = float(np.quantile(means, 1 - LEVEL))
    failed = bound < -MARGIN
    what = "harm shows in" if failed else "too few to rule out harm are"
    verdict = f"{name}: {what} {len(values)} groups, {values.mean():+.4f} with upper bound {bound:+.4f}"
    return SliceResult(len(values), float(values.mean()), bound, LEVEL, guarded=False, failed=failed, verdict=verdict)
