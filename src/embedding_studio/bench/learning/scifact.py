"""Section `scifact`: what an adapter learns for the test queries from simulated clicks on the train queries.

Every way to read the clicks trains with the same trainer, its defaults and the same seeds, beside two ceilings: the
true labels of what was shown, and all true labels. In two null worlds, with clicks shuffled over sessions and with as
many thrown anywhere, nothing may be learnt.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from embedding_studio.bench.charts import Chart
from embedding_studio.bench.figures import Figure, at_least, at_most, seen
from embedding_studio.bench.findings import Findings
from embedding_studio.bench.learning.clicking import ClickedPages, click_rates, clicked, scattered, shuffled
from embedding_studio.bench.learning.labels import ALL_CLICKED, JUDGMENTS, WAYS
from embedding_studio.bench.learning.replay import Replay
from embedding_studio.bench.learning.stage import Stage
from embedding_studio.bench.learning.vectors import vectors_of
from embedding_studio.ml.pairs import Pairs
from embedding_studio.simulation.judged import JudgedSet
from embedding_studio.simulation.quality import Estimate, estimate

__all__ = ["measure_scifact", "read_replay", "simulated"]

_NAME = "scifact"
_SEEDS = 5
_SESSIONS = 10
_SHOWN = 20
_ASKED_SHARE = 0.7
_NULLS: Mapping[str, Callable[[NDArray[np.bool_], np.random.Generator], NDArray[np.bool_]]] = {
    "shuffled": shuffled,
    "scattered": scattered,
}

Gains = NDArray[np.float64]


async def measure_scifact(stage: Stage) -> Findings:
    """The gain in nDCG@10 of every way, over the seeds."""
    replay = read_replay(stage)
    gains: dict[str, list[Gains]] = {}
    kept: dict[str, list[float]] = {}
    for seed in range(_SEEDS):
        stage.say(f"Seed {seed + 1} of {_SEEDS}")
        for name, pairs in _ways(replay, seed).items():
            gains.setdefault(name, []).append(replay.gain(pairs, seed=seed))
            kept.setdefault(name, []).append(replay.purity(pairs))
    estimates = {name: estimate(np.mean(of_seeds, axis=0).tolist()) for name, of_seeds in gains.items()}
    spread = {name: [float(of_seed.mean()) for of_seed in of_seeds] for name, of_seeds in gains.items()}
    purity = {name: float(np.mean(of_seeds)) for name, of_seeds in kept.items()}
    return Findings(_figures(replay, estimates, spread, purity), [_chart(estimates)])


def read_replay(stage: Stage) -> Replay:
    """SciFact, and what the base shows for its train queries."""
    judged = JudgedSet.read(stage.sets / _NAME)
    return Replay.of(judged, vectors_of(stage, judged), shown=_SHOWN)


def simulated(replay: Replay, random: np.random.Generator) -> ClickedPages:
    """What users do with the train queries' pages."""
    clicks = clicked(click_rates(replay.relevant), _SESSIONS, random)
    return ClickedPages(replay.texts, replay.pages, clicks)


def _ways(replay: Replay, seed: int) -> dict[str, Pairs]:
    """What each way trains on."""
    random = np.random.default_rng(seed)
    real = simulated(replay, random)
    ways = {name: replay.shown_pairs(way(real)) for name, way in WAYS.items()}
    ways["ceiling_shown"] = replay.true_pairs()
    ways["ceiling_all"] = replay.all_pairs()
    for name, spoil in _NULLS.items():
        null = ClickedPages(replay.texts, replay.pages, spoil(real.clicks, random))
        for way in (JUDGMENTS, ALL_CLICKED):
            ways[f"{name}_{way}"] = replay.shown_pairs(WAYS[way](null))
    return ways


def _figures(
    replay: Replay,
    gains: Mapping[str, Estimate],
    spread: Mapping[str, Sequence[float]],
    purity: Mapping[str, float],
) -> list[Figure]:
    ceiling = gains["ceiling_shown"].mean
    figures = [seen(_NAME, "base_ndcg@10", replay.base_mean)]
    for name, gain in gains.items():
        note = (
            f"95 % interval {gain.low:+.4f} to {gain.high:+.4f}; seeds {min(spread[name]):+.4f} to "
            f"{max(spread[name]):+.4f}; {purity[name]:.0%} of the weight is right"
        )
        figures.append(seen(_NAME, f"{name}_gain", gain.mean, floor=ceiling, note=note))
    figures.append(at_least(_NAME, "share_of_first_ceiling", gains[JUDGMENTS].mean / ceiling, _ASKED_SHARE))
    figures += [at_most(_NAME, f"{name}_learnt", abs(gains[f"{name}_{JUDGMENTS}"].mean), 0.0) for name in _NULLS]
    return figures


def _chart(gains: Mapping[str, Estimate]) -> Chart:
    return Chart(
        title="SciFact: what an adapter learns from simulated clicks, by how they are read",
        unit="gain in nDCG@10 on 300 unseen queries, 95 % interval",
        at=[name.replace("_", " ") for name in gains],
        series={"adapter": list(gains.values())},
    )
