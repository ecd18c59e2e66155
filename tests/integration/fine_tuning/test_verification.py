"""The stored record of a trained model is decided again; what was forged is named."""

from typing import Any

import msgspec
import numpy as np
import pytest

from embedding_studio.fine_tuning import GateEvidence, GroupOutcome, decide
from embedding_studio.fine_tuning.replay import Placed, ReplayedSession, replay_group
from embedding_studio.inference import NewModel, QueryAdapter
from studio import Studio

pytestmark = pytest.mark.anyio

NAME = "judged"
GROUPS = [f"g{number}" for number in range(60)]


def evidence() -> GateEvidence:
    """Sixty groups, each a bit better, and of each one session whose first result was clicked."""
    placed = tuple(Placed(item, position) for position, item in enumerate("abc", 1))
    session = ReplayedSession(placed, frozenset("a"))
    return GateEvidence(
        outcomes=tuple(
            GroupOutcome(group, {"ndcg@10": 0.5}, {"ndcg@10": 0.5 + number / 1_000})
            for number, group in enumerate(GROUPS)
        ),
        slices={"head": tuple(GROUPS[:30])},
        canary_difference=1e-7,
        items_identical=True,
        data_hash="abc",
        replay=tuple(replay_group(group, [session], before="abc", after="bac") for group in GROUPS),
    )


@pytest.fixture(scope="module")
async def version(studio: Studio) -> int:
    """A registered model with its record."""
    await studio.create(NAME)
    collection = await studio.container.collections.current(NAME)
    zeros = np.zeros((1, collection.dimensions), np.float32)
    new = NewModel(
        task_id="judged-once",
        track="query_adapter",
        parent=1,
        compared_with=collection.deployment_id,
        gate_record=msgspec.json.encode(decide(evidence(), seed=3).as_dict()),
        result={},
        adapter=QueryAdapter(down=zeros, up=zeros.T.copy()),
    )
    return (await studio.container.models.register(collection, new)).version


async def ask(studio: Studio, version: int) -> dict[str, Any]:
    answer = await studio.client.get(f"/api/v1/collections/{NAME}/models/{version}/gate")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def forge(studio: Studio, version: int, **fields: object) -> bytes:
    """Change fields of the stored record; returns what was there."""
    collection = await studio.container.collections.current(NAME)
    objects, key = studio.container.objects, f"models/{collection.id}/{version}/gate.json"
    stored = await objects.get(key)
    await objects.put(key, msgspec.json.encode({**msgspec.json.decode(stored), **fields}))
    return stored


async def restore(studio: Studio, version: int, stored: bytes) -> None:
    collection = await studio.container.collections.current(NAME)
    await studio.container.objects.put(f"models/{collection.id}/{version}/gate.json", stored)


async def test_a_sound_record_is_verified(studio: Studio, version: int) -> None:
    found = await ask(studio, version)
    assert (found["version"], found["differing"], found["decision"]) == (version, [], "not_enough_evidence")
    assert (found["groups"], found["metrics"]["ndcg@10"]["before"]) == (60, 0.5)
    assert found["replay"]["sessions"] == 60
    assert (found["replay"]["mrr"]["before"], found["replay"]["mrr"]["after"]) == (1.0, 0.5)


async def test_a_forged_record_is_named(studio: Studio, version: int) -> None:
    stored = await forge(studio, version, decision="promote", reasons=["because"])
    assert (await ask(studio, version))["differing"] == ["decision", "reasons"]
    await restore(studio, version, stored)
    assert (await ask(studio, version))["differing"] == []


async def test_what_is_no_record_is_refused(studio: Studio, version: int) -> None:
    stored = await forge(studio, version, decision="perhaps")
    answer = await studio.client.get(f"/api/v1/collections/{NAME}/models/{version}/gate")
    assert (answer.status_code, "gate record" in answer.json()["detail"]) == (400, True)
    await restore(studio, version, stored)


@pytest.mark.parametrize("version", [1, 999, 2**40])
async def test_only_trained_versions_have_one(studio: Studio, version: int) -> None:
    assert NAME in [one["name"] for one in (await studio.client.get("/api/v1/collections")).json()["items"]]
    answer = await studio.client.get(f"/api/v1/collections/{NAME}/models/{version}/gate")
    assert answer.status_code == 404
