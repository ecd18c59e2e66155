"""Whether a trained model may replace the deployed one, decided on query groups that nothing was chosen by.

A model is promoted only if

(a) the lower end of the 95 % interval of the gain in nDCG@10 is above 0, and at least 10 groups changed: of fewer the
    percentile interval makes too much, as k changes all point up with probability 2^-k by chance;
(b) no guard slice failed, see `guard_slices`;
(c) there are at least 200 groups;
(d) the exported model encodes its canaries within 1e-3; a quantised one finds 98 of 100 of the ten nearest items that
    its twin in float32 finds;
(e) the item vectors are bit-identical, where the track leaves them alone.

A breach of (c), or too few changes in (a), is `not_enough_evidence`; any other is a `reject`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isclose, isfinite
from typing import Any, Literal

import msgspec
import numpy as np

from embedding_studio.fine_tuning.bootstrap import Comparison, interval, resampled_means
from embedding_studio.fine_tuning.guard_slices import SliceResult, slice_results
from embedding_studio.fine_tuning.replay import GroupReplay, ReplayEstimate, estimate_replay
from embedding_studio.kernel.errors import InvalidError

__all__ = ["Decision", "Fidelity", "GateEvidence", "GateRecord", "GroupOutcome", "decide", "verify"]

Decision = Literal["promote", "reject", "not_enough_evidence"]
DECIDING_METRIC = "ndcg@10"
CURATED = "curated"
MIN_GROUPS = 200
MIN_CHANGED_GROUPS = 10
CANARY_TOLERANCE = 1e-3
LEAST_OVERLAP = 0.98
RESAMPLES = 4_000
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class GroupOutcome:
    """One query group through the serving path.

    Attributes:
        group: Its name, unique in the evidence.
        before: The deployed version's value of each metric.
        after: The candidate's, of the same metrics.
    """

    group: str
    before: Mapping[str, float]
    after: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fidelity:
    """How near a quantised encoder is to the one in float32 that it was made of.

    Attributes:
        top10: Share, 0 to 1, of the ten items nearest to a query that both find; the mean of the queries.
        queries: Asked.
        items: That competed.
    """

    top10: float
    queries: int
    items: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GateEvidence:
    """All that a decision rests on.

    Attributes:
        outcomes: Every group of the gate split. Groups that are near-duplicates should be one.
        slices: Groups of each guard slice, by its name; groups that are not in `outcomes` are passed over.
        canary_difference: Largest difference of a number in the exported model's canary vectors.
        items_identical: Whether the item vectors are bit-identical; None where the track changes them.
        data_hash: Of the judgments.
        slices_of_items: Outcomes of the guard slices that are kinds of items, by name: each group judged by the gains
            of such items only. Of the metrics, nDCG@10 is read.
        curated: Outcomes of the guard slice of the curated set, likewise: queries judged by what editors decided.
        replay: The logged sessions of the groups, put in both orders; no rule reads them.
        fidelity: Of a quantised encoder; None where nothing is quantised.
    """

    outcomes: tuple[GroupOutcome, ...]
    slices: Mapping[str, tuple[str, ...]]
    canary_difference: float
    items_identical: bool | None
    data_hash: str
    slices_of_items: Mapping[str, tuple[GroupOutcome, ...]] = field(default_factory=dict)
    curated: tuple[GroupOutcome, ...] = ()
    replay: tuple[GroupReplay, ...] = ()
    fidelity: Fidelity | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GateRecord:
    """A decision with all that is needed to make it again.

    Attributes:
        decision: What follows.
        reasons: Why, one sentence each; the failed rules first, then what could not be judged.
        metrics: By name.
        slices: The guard slices by name.
        groups: Query groups judged.
        resamples: Of the bootstrap.
        seed: Of the bootstrap.
        evidence: The input.
        replay: What the logged sessions say beside it.
    """

    decision: Decision
    reasons: tuple[str, ...]
    metrics: Mapping[str, Comparison]
    slices: Mapping[str, SliceResult]
    groups: int
    resamples: int
    seed: int
    evidence: GateEvidence
    replay: ReplayEstimate = field(default_factory=ReplayEstimate)

    def as_dict(self) -> dict[str, Any]:
        """The record in JSON's types."""
        built: dict[str, Any] = msgspec.to_builtins(self)
        return built

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "GateRecord":
        """Read what `as_dict` gave.

        Raises:
            InvalidError: It is no gate record.
        """
        try:
            return msgspec.convert(content, cls)
        except msgspec.ValidationError as error:
            raise InvalidError(f"no gate record: {error}") from error


def decide(evidence: GateEvidence, *, seed: int, resamples: int = RESAMPLES) -> GateRecord:
    """Apply the rules.

    The order of groups and slices does not matter.

    Raises:
        InvalidError: There is no group, one is there twice, or the metrics are not the same finite numbers everywhere.
    """
    outcomes = _by_group(evidence.outcomes)
    if not outcomes:
        raise InvalidError.at("outcomes", "at least one group is needed")
    metrics = _comparisons(outcomes, resamples, seed)
    gains = {outcome.group: _change(outcome, DECIDING_METRIC) for outcome in outcomes}
    slices = slice_results(_slice_changes(evidence, gains), resamples=resamples, seed=seed)
    decision, reasons = _conclude(evidence, metrics[DECIDING_METRIC], gains, slices)
    return GateRecord(
        decision=decision,
        reasons=reasons,
        metrics=metrics,
        slices=slices,
        groups=len(outcomes),
        resamples=resamples,
        seed=seed,
        evidence=evidence,
        replay=estimate_replay(evidence.replay, resamples=resamples, seed=seed),
    )


def verify(record: GateRecord) -> tuple[str, ...]:
    """Decide again from the stored numbers; the names of the record's fields that come out otherwise."""
    again = decide(record.evidence, seed=record.seed, resamples=record.resamples).as_dict()
    return tuple(name for name, value in record.as_dict().items() if not _same(value, again[name]))


def _comparisons(outcomes: Sequence[GroupOutcome], resamples: int, seed: int) -> dict[str, Comparison]:
    names = sorted(outcomes[0].before)
    before = np.array([[outcome.before[name] for name in names] for outcome in outcomes])
    changes = np.array([[_change(outcome, name) for name in names] for outcome in outcomes])
    means = resampled_means(changes, resamples=resamples, seed=seed)
    return {
        name: Comparison(
            before=float(before[:, column].mean()),
            after=float((before + changes)[:, column].mean()),
            delta=float(changes[:, column].mean()),
            ci95=interval(means[:, column]),
        )
        for column, name in enumerate(names)
    }


def _by_group(outcomes: Sequence[GroupOutcome]) -> list[GroupOutcome]:
    if len({outcome.group for outcome in outcomes}) < len(outcomes):
        raise InvalidError.at("outcomes", "a group is there twice")
    values = [values for outcome in outcomes for values in (outcome.before, outcome.after)]
    names = {frozenset(value) for value in values}
    if len(names) > 1 or any(DECIDING_METRIC not in name for name in names):
        raise InvalidError.at("outcomes", f"every group needs the same metrics, {DECIDING_METRIC} among them")
    if not all(isfinite(number) for value in values for number in value.values()):
        raise InvalidError.at("outcomes", "a metric is not a finite number")
    return sorted(outcomes, key=lambda outcome: outcome.group)


def _slice_changes(evidence: GateEvidence, gains: Mapping[str, float]) -> dict[str, list[float]]:
    of_queries = {
        name: [gains[group] for group in sorted(set(groups)) if group in gains]
        for name, groups in evidence.slices.items()
    }
    of_their_own = {**evidence.slices_of_items, **({CURATED: evidence.curated} if evidence.curated else {})}
    judged = {
        name: [_change(outcome, DECIDING_METRIC) for outcome in _by_group(outcomes)]
        for name, outcomes in of_their_own.items()
    }
    if of_queries.keys() & judged.keys():
        raise InvalidError.at("slices", "a slice of queries has the name of one that is judged by outcomes of its own")
    return {**of_queries, **judged}


def _change(outcome: GroupOutcome, metric: str) -> float:
    change = outcome.after[metric] - outcome.before[metric]
    return change if abs(change) > _ROUNDING else 0.0


def _conclude(
    evidence: GateEvidence, gain: Comparison, gains: Mapping[str, float], slices: Mapping[str, SliceResult]
) -> tuple[Decision, tuple[str, ...]]:
    wrong = _wrong_facts(evidence)
    few = _too_few(f"{len(gains)} query groups", len(gains), MIN_GROUPS)
    losses = [*_no_gain(gain), *(result.verdict for result in slices.values() if result.failed)]
    changed = sum(map(bool, gains.values()))
    unchanged = _too_few(f"{changed} changed groups", changed, MIN_CHANGED_GROUPS)
    reasons = (*wrong, *few, *losses, *unchanged) or (_success(gain, len(gains)),)
    unguarded = (result.verdict for result in slices.values() if not result.guarded and not result.failed)
    return _decision(wrong, few, losses, unchanged), (*reasons, *unguarded)


def _decision(wrong: Sequence[str], few: Sequence[str], losses: Sequence[str], unchanged: Sequence[str]) -> Decision:
    if wrong or (losses and not few):
        return "reject"
    return "not_enough_evidence" if few or unchanged else "promote"


def _wrong_facts(evidence: GateEvidence) -> list[str]:
    wrong = []
    if not evidence.canary_difference <= CANARY_TOLERANCE:
        wrong.append(f"the exported model's canaries differ by {evidence.canary_difference:.1e}")
    if evidence.fidelity and not evidence.fidelity.top10 >= LEAST_OVERLAP:
        wrong.append(_unlike(evidence.fidelity))
    if evidence.items_identical is False:
        wrong.append("the item vectors are not bit-identical")
    return wrong


def _unlike(fidelity: Fidelity) -> str:
    return (
        f"of the ten nearest items the int8 encoder finds {fidelity.top10:.1%} of what its twin in float32 finds"
        f" ({fidelity.queries} queries, {fidelity.items} items), and {LEAST_OVERLAP:.0%} are needed:"
        " train with `precision` fp32"
    )


def _no_gain(gain: Comparison) -> list[str]:
    return [] if gain.ci95[0] > 0 else [f"no gain in {DECIDING_METRIC} is shown: {_interval(gain)}"]


def _too_few(what: str, count: int, needed: int) -> list[str]:
    return [] if count >= needed else [f"{what} are too few: {needed} are needed"]


def _success(gain: Comparison, groups: int) -> str:
    return f"{DECIDING_METRIC} gains {_interval(gain)} over {groups} query groups"


def _interval(gain: Comparison) -> str:
    return f"{gain.delta:+.4f}, 95 % interval {gain.ci95[0]:+.4f} to {gain.ci95[1]:+.4f}"


def _same(one: object, other: object) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return isclose(one, other, rel_tol=0, abs_tol=_ROUNDING)
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(value, other[key]) for key, value in one.items())
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(_same(*pair) for pair in zip(one, other, strict=True))
    return bool(one == other)
