"""The gate: what it lets pass, and what never."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from random import Random

import numpy as np
import pytest
from numpy.typing import NDArray

from embedding_studio.fine_tuning.gate import Fidelity, GateEvidence, GateRecord, GroupOutcome, decide, verify
from embedding_studio.fine_tuning.replay import Placed, ReplayedSession, ReplayEstimate, replay_group
from embedding_studio.kernel.errors import InvalidError

Floats = NDArray[np.float64]


def evidence(before: Floats, after: Floats, slices: Mapping[str, Sequence[int]] | None = None) -> GateEvidence:
    def metrics(ndcg: float) -> dict[str, float]:
        return {"ndcg@10": float(ndcg), "mrr@10": float(ndcg > 0), "recall@100": 1.0}

    pairs = enumerate(zip(before, after, strict=True))
    return GateEvidence(
        outcomes=tuple(GroupOutcome(f"g{n}", metrics(old), metrics(new)) for n, (old, new) in pairs),
        slices={name: tuple(f"g{n}" for n in numbers) for name, numbers in (slices or {}).items()},
        canary_difference=1e-6,
        items_identical=True,
        data_hash="hash",
    )


def world(groups: int, seed: int, better: float = 0.0) -> tuple[Floats, Floats]:
    """nDCG@10 of one relevant item among fifty others, scored twice with independent noise."""
    random = np.random.default_rng(seed)
    relevant, others = random.normal(1.5, 1.0, (groups, 1)), random.normal(size=(groups, 50))

    def ndcg(shift: float) -> Floats:
        score = relevant + shift + random.normal(0, 0.3, (groups, 1))
        ranks = 1 + (others + random.normal(0, 0.3, others.shape) > score).sum(axis=1)
        return np.where(ranks <= 10, 1 / np.log2(1 + ranks), 0.0)

    return ndcg(0.0), ndcg(better)


def promoted(record: GateRecord) -> bool:
    return record.decision == "promote"


def test_a_true_gain_of_five_points_over_300_groups_is_mostly_promoted() -> None:
    worlds = [world(300, seed, better=0.17) for seed in range(100)]
    assert np.mean([after - before for before, after in worlds]) == pytest.approx(0.05, abs=0.005)
    assert sum(promoted(decide(evidence(*one), seed=0, resamples=2_000)) for one in worlds) >= 90


def test_a_true_gain_is_mostly_promoted_past_guard_slices() -> None:
    slices = {"head": range(100), "tail": range(100, 300)}
    worlds = [world(300, seed, better=0.25) for seed in range(50)]
    assert sum(promoted(decide(evidence(*one, slices), seed=0, resamples=2_000)) for one in worlds) >= 40


def test_models_trained_on_shuffled_labels_are_refused_in_97_of_100_worlds(
    record_property: Callable[[str, object], None],
) -> None:
    worlds = 300
    false = sum(promoted(decide(evidence(*world(200, seed)), seed=seed, resamples=2_000)) for seed in range(worlds))
    record_property("false_promotions", f"{false} of {worlds}")
    assert false / worlds <= 0.03


def test_models_that_hardly_change_anything_are_refused_in_97_of_100_worlds() -> None:
    worlds, false = 200, 0
    for seed in range(worlds):
        before, after = world(300, seed)
        changed = np.flatnonzero(before != after)[: 4 + seed % 8]
        sparse = before.copy()
        sparse[changed] = after[changed]
        false += promoted(decide(evidence(before, sparse), seed=seed, resamples=2_000))
    assert false / worlds <= 0.03


def test_an_unchanged_model_is_rejected() -> None:
    before, _ = world(300, 0)
    assert decide(evidence(before, before), seed=0).decision == "reject"


def test_rounding_noise_is_no_gain() -> None:
    before, _ = world(300, 0)
    assert decide(evidence(before, before + 1e-12), seed=0).decision == "reject"


def test_a_constant_encoder_is_rejected() -> None:
    before, _ = world(300, 0)
    assert decide(evidence(before, np.full(300, 0.01)), seed=0).decision == "reject"


def test_under_200_groups_there_is_not_enough_evidence() -> None:
    before = np.full(199, 0.2)
    record = decide(evidence(before, before + 0.3), seed=0)
    assert record.decision == "not_enough_evidence"
    assert any("199 query groups" in reason for reason in record.reasons)
    before = np.full(200, 0.2)
    assert promoted(decide(evidence(before, before + 0.3), seed=0))


def test_a_few_changed_groups_are_not_enough_evidence() -> None:
    before = np.full(300, 0.2)
    after = before.copy()
    after[:9] = 1.0
    assert decide(evidence(before, after), seed=0).decision == "not_enough_evidence"
    after[9] = 1.0
    assert promoted(decide(evidence(before, after), seed=0))


def test_a_harmed_slice_is_rejected_and_named() -> None:
    before, after = np.full(300, 0.5), np.full(300, 0.7)
    after[:60] = 0.3
    record = decide(evidence(before, after, {"head": range(60), "tail": range(60, 300)}), seed=0)
    assert record.decision == "reject"
    assert [reason for reason in record.reasons if "head" in reason]
    assert not [reason for reason in record.reasons if "tail" in reason]


def test_a_slice_too_small_to_judge_is_named_even_in_a_promotion() -> None:
    before = np.full(300, 0.5)
    record = decide(evidence(before, before + 0.2, {"curated": range(7)}), seed=0)
    assert promoted(record)
    assert [reason for reason in record.reasons if "curated" in reason]


def test_groups_outside_the_gate_split_and_repeated_ones_are_passed_over() -> None:
    before, after = world(300, 0, better=1.0)
    record = decide(evidence(before, after, {"head": [*range(250), *range(50), *range(300, 400)]}), seed=0)
    assert record.slices["head"].groups == 250


def test_a_slice_of_items_is_judged_by_outcomes_of_its_own() -> None:
    before = np.full(300, 0.5)
    harmed = evidence(before[:100], before[:100] - 0.1).outcomes
    record = decide(replace(good(), slices_of_items={"never_clicked": harmed, "none": ()}), seed=0)
    assert record.decision == "reject"
    assert record.slices["never_clicked"].failed
    assert record.slices["none"].groups == 0
    with pytest.raises(InvalidError):
        decide(replace(good(), slices_of_items={"head": harmed}), seed=0)


def test_a_model_that_improves_clicks_but_ruins_the_curated_queries_is_rejected() -> None:
    before = np.full(60, 0.8)
    ruined = evidence(before, before - 0.3).outcomes
    assert promoted(decide(good(), seed=0))
    record = decide(replace(good(), curated=ruined), seed=0)
    assert record.decision == "reject"
    assert (record.slices["curated"].failed, record.slices["curated"].groups) == (True, 60)
    assert record.reasons[0].startswith("curated")
    assert record.metrics == decide(good(), seed=0).metrics


def test_a_few_curated_queries_refuse_a_model_only_if_harm_shows() -> None:
    before = np.full(12, 0.8)
    for change, decision in ((-0.3, "reject"), (-0.001, "promote"), (0.0, "promote")):
        record = decide(replace(good(), curated=evidence(before, before + change).outcomes), seed=0)
        assert record.decision == decision
    harmed = decide(replace(good(), curated=evidence(before[:4], before[:4] - 0.8).outcomes), seed=0)
    assert promoted(harmed)
    assert [reason for reason in harmed.reasons if "curated: 4 groups say nothing" in reason]


def test_the_curated_set_is_one_of_the_slices_that_holm_counts() -> None:
    before = np.full(60, 0.8)
    record = decide(replace(good(), curated=evidence(before, before).outcomes), seed=0)
    assert sorted(one.level or 0 for one in record.slices.values()) == pytest.approx([0.025, 0.05])
    assert "curated" not in decide(good(), seed=0).slices


def test_forged_outcomes_of_the_curated_set_are_noticed() -> None:
    before = np.full(60, 0.8)
    record = decide(replace(good(), curated=evidence(before, before).outcomes), seed=7)
    stored = GateRecord.from_dict(json.loads(json.dumps(record.as_dict())))
    assert verify(stored) == ()
    forged = replace(record.evidence, curated=evidence(before, before - 0.3).outcomes)
    assert set(verify(replace(stored, evidence=forged))) >= {"decision", "slices", "reasons"}
    with pytest.raises(InvalidError):
        decide(replace(good(), slices={"curated": ("g1",)}, curated=record.evidence.curated), seed=0)


def good() -> GateEvidence:
    before = np.full(300, 0.5)
    return evidence(before, before + np.linspace(0, 0.2, 300), {"head": range(100)})


@pytest.mark.parametrize("difference", [1.1e-3, float("inf"), float("nan")])
def test_canaries_that_differ_are_rejected(difference: float) -> None:
    record = decide(replace(good(), canary_difference=difference), seed=0)
    assert record.decision == "reject"
    assert "canaries" in record.reasons[0]


@pytest.mark.parametrize(
    ("top10", "decision"), [(1.0, "promote"), (0.98, "promote"), (0.9799, "reject"), (float("nan"), "reject")]
)
def test_an_encoder_in_int8_finds_what_its_twin_finds_or_is_rejected(top10: float, decision: str) -> None:
    record = decide(replace(good(), fidelity=Fidelity(top10=top10, queries=64, items=5_000)), seed=0)
    assert record.decision == decision
    told = [reason for reason in record.reasons if "int8" in reason]
    assert bool(told) == (decision == "reject")
    assert all("64 queries" in reason and "98%" in reason and "fp32" in reason for reason in told)


def test_a_forged_overlap_is_noticed() -> None:
    near, far = (Fidelity(top10=top10, queries=64, items=5_000) for top10 in (0.99, 0.9))
    record = decide(replace(good(), fidelity=near), seed=7)
    stored = GateRecord.from_dict(json.loads(json.dumps(record.as_dict())))
    assert stored == record
    assert verify(stored) == ()
    forged = replace(stored, evidence=replace(stored.evidence, fidelity=far))
    assert verify(forged) == ("decision", "reasons")


def test_changed_item_vectors_are_rejected_where_the_track_leaves_them_alone() -> None:
    assert decide(replace(good(), items_identical=False), seed=0).decision == "reject"
    assert promoted(decide(replace(good(), items_identical=None), seed=0))


def test_wrong_facts_are_rejected_however_few_the_groups() -> None:
    few = replace(good(), outcomes=good().outcomes[:10], items_identical=False)
    assert decide(few, seed=0).decision == "reject"


def test_every_metric_is_compared() -> None:
    record = decide(good(), seed=0)
    assert set(record.metrics) == {"ndcg@10", "mrr@10", "recall@100"}
    ndcg = record.metrics["ndcg@10"]
    assert (ndcg.before, ndcg.after, ndcg.delta) == pytest.approx((0.5, 0.6, 0.1))
    assert ndcg.ci95[0] < ndcg.delta < ndcg.ci95[1]


def test_the_order_of_groups_does_not_matter() -> None:
    record = decide(good(), seed=0)
    outcomes = list(good().outcomes)
    Random(1).shuffle(outcomes)
    again = decide(replace(good(), outcomes=tuple(outcomes)), seed=0)
    assert replace(again, evidence=record.evidence) == record


def test_a_record_survives_json_and_is_verified() -> None:
    record = decide(good(), seed=7)
    stored = GateRecord.from_dict(json.loads(json.dumps(record.as_dict())))
    assert stored == record
    assert verify(stored) == ()


@pytest.mark.parametrize("field", ["decision", "metrics", "slices", "groups", "reasons"])
def test_a_record_that_was_changed_is_not_verified(field: str) -> None:
    other = decide(evidence(*world(250, 3), {"head": range(50)}), seed=7)
    forged = replace(decide(good(), seed=7), **{field: getattr(other, field)})
    assert verify(forged) == (field,)


def test_a_replay_is_reported_and_decides_nothing() -> None:
    shown = tuple(Placed(item, position) for position, item in enumerate("abc", 1))
    sessions = [ReplayedSession(shown, frozenset("a"))]
    bad_news = tuple(replay_group(f"g{n}", sessions, before="abc", after="cba") for n in range(20))
    record = decide(replace(good(), replay=bad_news), seed=0)
    assert promoted(record)
    assert record.replay.mrr
    assert record.replay.mrr.delta == pytest.approx(1 / 3 - 1)
    stored = GateRecord.from_dict(json.loads(json.dumps(record.as_dict())))
    assert verify(stored) == ()
    assert verify(replace(stored, replay=ReplayEstimate())) == ("replay",)


def test_a_record_from_before_replays_the_curated_set_and_int8_is_verified() -> None:
    content = decide(good(), seed=7).as_dict()
    del content["replay"], content["evidence"]["replay"], content["evidence"]["curated"]
    del content["evidence"]["fidelity"]
    assert verify(GateRecord.from_dict(content)) == ()


def test_changed_numbers_are_noticed() -> None:
    record = decide(good(), seed=7)
    first, *others = record.evidence.outcomes
    forged = replace(first, after={**first.after, "ndcg@10": 0.9})
    assert "metrics" in verify(replace(record, evidence=replace(good(), outcomes=(forged, *others))))


def test_what_is_no_record_is_refused() -> None:
    content = decide(good(), seed=7).as_dict()
    with pytest.raises(InvalidError):
        GateRecord.from_dict({**content, "decision": "perhaps"})
    del content["evidence"]
    with pytest.raises(InvalidError):
        GateRecord.from_dict(content)


def outcome(group: str, **metrics: float) -> GroupOutcome:
    values = {name.replace("_", "@"): value for name, value in metrics.items()}
    return GroupOutcome(group, values, values)


@pytest.mark.parametrize(
    "outcomes",
    [
        (),
        (outcome("a", ndcg_10=0.1), outcome("a", ndcg_10=0.2)),
        (outcome("a", ndcg_10=float("nan")),),
        (outcome("a", mrr_10=0.5),),
        (outcome("a", ndcg_10=0.5), outcome("b", ndcg_10=0.5, mrr_10=0.5)),
    ],
)
def test_incomplete_outcomes_are_refused(outcomes: tuple[GroupOutcome, ...]) -> None:
    with pytest.raises(InvalidError):
        decide(replace(good(), outcomes=outcomes), seed=0)
