"""Section `scifact_encoders`: what every track learns from the clicks of section `scifact`, beside its two ceilings.

All tracks train on the same pairs, with one seed and the product's defaults. Texts are cut where the encoder's window
ends.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from embedding_studio.bench.charts import Chart
from embedding_studio.bench.figures import Figure, seen
from embedding_studio.bench.findings import Findings
from embedding_studio.bench.learning.encoder_replay import EncoderReplay
from embedding_studio.bench.learning.labels import JUDGMENTS, WAYS
from embedding_studio.bench.learning.replay import Replay
from embedding_studio.bench.learning.scifact import read_replay, simulated
from embedding_studio.bench.learning.stage import Stage
from embedding_studio.bench.learning.vectors import texts_of
from embedding_studio.ml.pairs import Pairs
from embedding_studio.simulation.quality import Estimate, estimate

__all__ = ["measure_scifact_encoders"]

_NAME = "scifact_encoders"
_SEED = 0
_CHEAPEST = "query_adapter"

Train = Callable[[Pairs], NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class _Learnt:
    """What a track gains from some pairs, and what that takes."""

    gain: Estimate
    pairs: int
    seconds: float


async def measure_scifact_encoders(stage: Stage) -> Findings:
    """The gain in nDCG@10 on the test queries, by track and by what it trains on."""
    replay = read_replay(stage)
    tracks = _tracks(stage, replay)
    learnt: dict[str, dict[str, _Learnt]] = {track: {} for track in tracks}
    for name, pairs in _labels(replay).items():
        for track, train in tracks.items():
            stage.say(f"{track} from {name}, {len(pairs)} pairs")
            learnt[track][name] = one = await asyncio.to_thread(_learnt, train, pairs)
            stage.say(f"{one.gain.mean:+.4f}, {_note(one)}")
    return Findings([seen(_NAME, "base_ndcg@10", replay.base_mean), *_figures(learnt)], [_chart(learnt)])


def _tracks(stage: Stage, replay: Replay) -> dict[str, Train]:
    """From the cheapest to the dearest."""
    work = stage.data_dir / _NAME
    work.mkdir(parents=True, exist_ok=True)
    encoders = EncoderReplay(replay, texts_of(replay.judged), stage.source, work)
    return {
        _CHEAPEST: partial(replay.gain, seed=_SEED),
        "query_encoder": partial(encoders.gain, "query_encoder", seed=_SEED),
        "both_encoders": partial(encoders.gain, "both_encoders", seed=_SEED),
    }


def _labels(replay: Replay) -> dict[str, Pairs]:
    pages = simulated(replay, np.random.default_rng(_SEED))
    return {
        JUDGMENTS: replay.shown_pairs(WAYS[JUDGMENTS](pages)),
        "ceiling_shown": replay.true_pairs(),
        "ceiling_all": replay.all_pairs(),
    }


def _learnt(train: Train, pairs: Pairs) -> _Learnt:
    started = time.monotonic()
    gains = train(pairs)
    return _Learnt(estimate(gains.tolist()), len(pairs), time.monotonic() - started)


def _figures(learnt: Mapping[str, Mapping[str, _Learnt]]) -> list[Figure]:
    """Each track beside the cheapest on the same pairs."""
    return [
        seen(_NAME, f"{track}_{name}_gain", one.gain.mean, floor=learnt[_CHEAPEST][name].gain.mean, note=_note(one))
        for track, by_labels in learnt.items()
        for name, one in by_labels.items()
    ]


def _note(one: _Learnt) -> str:
    interval = f"95 % interval {one.gain.low:+.4f} to {one.gain.high:+.4f}"
    return f"{interval}; one seed; {one.pairs} pairs, {one.seconds:.0f} s with encoding and ranking"


def _chart(learnt: Mapping[str, Mapping[str, _Learnt]]) -> Chart:
    return Chart(
        title="SciFact: what each track learns from simulated clicks, beside its ceilings",
        unit="gain in nDCG@10 on 300 unseen queries, 95 % interval",
        at=[name.replace("_", " ") for name in learnt[_CHEAPEST]],
        series={track: [one.gain for one in by_labels.values()] for track, by_labels in learnt.items()},
    )
