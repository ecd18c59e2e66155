"""Section `losses`: sessions of one arm that get lost, and whether the sample-ratio check sees it."""

import numpy as np

from embedding_studio.bench.experiments.stage import Sizes
from embedding_studio.bench.figures import at_least, at_most, seen
from embedding_studio.bench.findings import Findings
from embedding_studio.experiments import check_ratio

__all__ = ["alarm", "measure_losses"]

_SECTION = "losses"
_LEVEL = 0.01
_LOST = 45 / 95
_FOUND = 0.95
_LONGER = 2


def measure_losses(sizes: Sizes) -> Findings:
    """False alarms where nothing is lost; found and when, where a tenth of the treatment's units is."""
    sound = [alarm(0.5, sizes.sessions, seed) for seed in range(sizes.experiments)]
    lossy = [alarm(_LOST, sizes.sessions * _LONGER, seed) for seed in range(sizes.experiments)]
    found = [one for one in lossy if one is not None]
    units = float(np.median(found)) if found else float("nan")
    return Findings(
        [
            at_most(_SECTION, "false_alarms", float(np.mean([one is not None for one in sound])), _LEVEL),
            at_least(_SECTION, "found", len(found) / len(lossy), _FOUND),
            seen(_SECTION, "found_after_median", units, "units", note="50 to 45"),
        ]
    )


def alarm(share: float, units: int, seed: int) -> int | None:
    """After how many units the check first fails; None: never.

    Args:
        share: Of the units that are in the treatment.
        units: How many come.
        seed: Of all chance.
    """
    treated = np.cumsum(np.random.default_rng(seed).random(units) < share)
    for total, treatment in enumerate(treated.tolist(), start=1):
        if not check_ratio(total - treatment, treatment).ok:
            return total
    return None
