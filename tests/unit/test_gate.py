"""`embedding-studio gate verify`: what it prints, and how it ends."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from typer.testing import CliRunner, Result

import embedding_studio.gate
from embedding_studio.cli import app
from embedding_studio.fine_tuning import Fidelity, GateEvidence, GroupOutcome, VerifiedGate, decide


def verified(*differing: str) -> VerifiedGate:
    outcomes = [GroupOutcome(f"g{n}", {"ndcg@10": 0.5}, {"ndcg@10": 0.5 + n / 1_000}) for n in range(250)]
    evidence = GateEvidence(
        outcomes=tuple(outcomes), slices={}, canary_difference=1e-7, items_identical=True, data_hash="abc"
    )
    record = decide(evidence, seed=0, resamples=200)
    kept = ("decision", "reasons", "groups", "metrics", "slices", "replay", "resamples", "seed")
    fields: dict[str, Any] = {name: getattr(record, name) for name in kept}
    return VerifiedGate(collection="shop", version=4, differing=differing, data_hash="abc", **fields)


def run(monkeypatch: pytest.MonkeyPatch, found: VerifiedGate, *words: str) -> Result:
    async def verify(_settings: object, collection: str, version: int) -> VerifiedGate:
        assert (collection, version) == ("shop", 4)
        return found

    monkeypatch.setattr(embedding_studio.gate, "verify", verify)
    for name in ("POSTGRES__DSN", "MONGO__URL", "REDIS__URL"):
        monkeypatch.setenv(f"EMBEDDING_STUDIO_{name}", "x://nowhere")
    return CliRunner().invoke(app, ["gate", "verify", "shop", "4", *words])


def test_a_sound_record_ends_well(monkeypatch: pytest.MonkeyPatch) -> None:
    done = run(monkeypatch, verified())
    assert done.exit_code == 0
    assert "promote" in done.stdout
    assert "int8" not in done.stdout
    assert "is what its evidence gives" in done.stdout


def test_what_rounding_lost_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    found = replace(verified(), fidelity=Fidelity(top10=0.987, queries=64, items=5_000))
    assert "98.7%" in run(monkeypatch, found).stdout


@pytest.mark.parametrize("words", [(), ("--json",)])
def test_a_record_that_comes_out_otherwise_ends_with_status_1(
    monkeypatch: pytest.MonkeyPatch, words: Sequence[str]
) -> None:
    done = run(monkeypatch, verified("decision"), *words)
    assert done.exit_code == 1
    assert "decision" in done.stdout
    if words:
        assert json.loads(done.stdout)["verified"] is False
