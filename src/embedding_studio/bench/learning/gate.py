"""Section `gate`: how often it promotes models that are no better, and how often it finds those that are.

Worlds are made of a judged set's real queries: a model is the encoder with noise in the vectors of its queries, so that
what changes from model to model is spread over queries as it really is. Two models of equal noise are equally good. A
better one leans towards the centre of the items that are good for the query, as far as makes the planted gain.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from embedding_studio.bench.charts import Chart
from embedding_studio.bench.figures import Figure, at_least, at_most, seen
from embedding_studio.bench.findings import Findings
from embedding_studio.bench.learning.stage import Stage
from embedding_studio.bench.learning.vectors import vectors_of
from embedding_studio.fine_tuning import GateEvidence, GroupOutcome, decide
from embedding_studio.simulation.judged import JudgedSet
from embedding_studio.simulation.quality import Estimate, estimate

__all__ = ["GateWorlds", "measure_gate"]

_NAME = "gate"
_SET = "scifact"
_NULL_WORLDS, _WORLDS = 200, 50
_NULL_GROUPS, _GROUPS = 300, 400
_FALSE, _FOUND = 0.05, 0.8
_PLANTED = (0.02, 0.03, 0.05)
_NOISE = 0.4
_DEPTH = 10

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class GateWorlds:
    """What worlds are drawn from.

    Attributes:
        queries: Unit vectors, float32 (queries, dimensions).
        items: The same of items.
        gains: What each item is worth to each query, float32 (queries, items).
        leaning: Unit vectors towards what is good for each query, float32 (queries, dimensions).
    """

    queries: Floats
    items: Floats
    gains: Floats
    leaning: Floats

    @classmethod
    def of(cls, queries: Floats, items: Floats, gains: Floats) -> "GateWorlds":
        """Worlds of a judged set."""
        return cls(queries, items, gains, _unit(gains @ items))

    def ndcg(self, rows: NDArray[np.int64], lean: float, chance: np.random.Generator) -> NDArray[np.float64]:
        """nDCG@10 of some queries by a model of its own noise, (rows,)."""
        noise = _NOISE * _unit(chance.normal(size=(len(rows), self.queries.shape[1])).astype(np.float32))
        scores = _unit(self.queries[rows] + noise + lean * self.leaning[rows]) @ self.items.T
        best = np.argpartition(-scores, _DEPTH, axis=1)[:, :_DEPTH]
        order = np.take_along_axis(best, np.argsort(-np.take_along_axis(scores, best, 1), axis=1), 1)
        own = self.gains[rows]
        ideal = -np.sort(-own, axis=1)[:, :_DEPTH]
        discounts = 1 / np.log2(np.arange(2, _DEPTH + 2))
        found: NDArray[np.float64] = np.take_along_axis(own, order, 1) @ discounts / (ideal @ discounts)
        return found

    def lean_for(self, gain: float) -> float:
        """How far a model leans whose mean gain over all queries is `gain`, by bisection."""
        rows = np.arange(len(self.queries))

        def gained(lean: float) -> float:
            return float((self.ndcg(rows, lean, _chance(1)) - self.ndcg(rows, 0.0, _chance(2))).mean())

        low, high = 0.0, 1.0
        for _ in range(20):
            middle = (low + high) / 2
            low, high = (middle, high) if gained(middle) < gain else (low, middle)
        return (low + high) / 2

    def promoted(self, groups: int, lean: float, seed: int) -> bool:
        """Whether the gate promotes one model over another on queries drawn at random."""
        chance = _chance(seed)
        rows = chance.permutation(len(self.queries))[:groups]
        before, after = (self.ndcg(rows, one, chance) for one in (0.0, lean))
        outcomes = [
            GroupOutcome(f"{row}", {"ndcg@10": float(old)}, {"ndcg@10": float(new)})
            for row, old, new in zip(rows, before, after, strict=True)
        ]
        halves = {"head": outcomes[: groups // 2], "tail": outcomes[groups // 2 :]}
        evidence = GateEvidence(
            outcomes=tuple(outcomes),
            slices={name: tuple(one.group for one in part) for name, part in halves.items()},
            canary_difference=0.0,
            items_identical=True,
            data_hash="",
        )
        return decide(evidence, seed=seed).decision == "promote"


async def measure_gate(stage: Stage) -> Findings:
    """False promotions in null worlds, and what is found of planted gains."""
    worlds = await asyncio.to_thread(_worlds, stage)
    stage.say(f"{_NULL_WORLDS} null worlds")
    false = await asyncio.to_thread(_share, partial(worlds.promoted, _NULL_GROUPS, 0.0), _NULL_WORLDS)
    found: dict[float, Estimate] = {}
    for gain in _PLANTED:
        stage.say(f"{_WORLDS} worlds in which {gain:+.2f} is planted")
        lean = await asyncio.to_thread(worlds.lean_for, gain)
        found[gain] = await asyncio.to_thread(_share, partial(worlds.promoted, _GROUPS, lean), _WORLDS)
    return Findings(_figures(false, found), [_chart(false, found)])


def _figures(false: Estimate, found: Mapping[float, Estimate]) -> list[Figure]:
    largest = max(found)
    return [
        at_most(_NAME, "false_promotions", false.mean, _FALSE, unit=f"of {_NULL_WORLDS} null worlds"),
        *(seen(_NAME, f"found_{gain:.2f}", one.mean, f"of {_WORLDS}") for gain, one in found.items() if gain < largest),
        at_least(_NAME, f"found_{largest:.2f}", found[largest].mean, _FOUND, unit=f"of {_WORLDS}"),
    ]


def _chart(false: Estimate, found: Mapping[float, Estimate]) -> Chart:
    places = ["0", *(f"{gain:+.2f}" for gain in found)]
    return Chart(
        "What the gate promotes, by true gain", "share of worlds", places, {"promoted": [false, *found.values()]}
    )


def _worlds(stage: Stage) -> GateWorlds:
    judged = JudgedSet.read(stage.sets / _SET)
    vectors = vectors_of(stage, judged)
    column = {item["id"]: number for number, item in enumerate(judged.items)}
    gains = np.zeros((len(judged.queries), len(judged.items)), np.float32)
    for row, query in enumerate(judged.queries):
        for item, grade in judged.gains[query].items():
            gains[row, column[item]] = max(0.0, grade)
    return GateWorlds.of(vectors.queries, vectors.items, gains)


def _share(promoted: Callable[[int], bool], worlds: int) -> Estimate:
    return estimate([float(promoted(seed)) for seed in range(worlds)])


def _chance(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def _unit(vectors: Floats) -> Floats:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Floats = vectors / np.maximum(lengths, np.finfo(np.float32).tiny)
    return unit
