"""What runs is seen by every process within a moment, at the price of one small query in that time."""

import asyncio
from typing import Any

import pytest
from pymongo.errors import AutoReconnect

from embedding_studio.experiments import ExperimentRepository, Trials
from embedding_studio.kernel.errors import UnavailableError
from embedding_studio.vector_store import Collection
from integration.experiments.conftest import Begin
from studio import Studio

pytestmark = pytest.mark.anyio


class Watched(ExperimentRepository):
    """Counts how often it is asked what runs, and may not answer."""

    def __init__(self) -> None:
        self.asked = 0
        self.is_out = False

    async def running(self, collection_id: int, *, within: float) -> Any:
        self.asked += 1
        if self.is_out:
            raise AutoReconnect("no server")
        return await super().running(collection_id, within=within)


def process(studio: Studio, experiments: ExperimentRepository, *, seen_within: float) -> Trials:
    """What another process has."""
    services = studio.container
    return Trials(
        experiments=experiments,
        catalog=services.catalog,
        embeddings=services.embeddings,
        seen_within=seen_within,
    )


async def test_many_searches_ask_once_in_a_while(studio: Studio, shop: Collection) -> None:
    experiments = Watched()
    trials = process(studio, experiments, seen_within=60.0)
    found = await asyncio.gather(*(trials.running(shop) for _ in range(50)))
    assert found == [None] * 50
    assert experiments.asked == 1


async def test_a_look_that_fails_is_not_repeated_by_each_who_waited_for_it(
    studio: Studio, shop: Collection, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiments = Watched()
    trials = process(studio, experiments, seen_within=60.0)

    async def hanging(*_: object) -> None:
        await asyncio.sleep(0)
        raise UnavailableError("the objects do not answer")

    await begin()
    monkeypatch.setattr(studio.container.catalog, "serving", hanging)
    found = await asyncio.gather(*(trials.running(shop) for _ in range(5)), return_exceptions=True)
    assert {type(one) for one in found} == {UnavailableError}
    assert experiments.asked == 1


async def test_a_start_and_a_stop_are_seen_by_a_process_that_has_looked_before(
    studio: Studio, shop: Collection, version: int, begin: Begin
) -> None:
    trials = process(studio, ExperimentRepository(), seen_within=0.0)
    assert await trials.running(shop) is None
    made = await begin()
    running = await trials.running(shop)
    assert running is not None
    assert (running.id, running.control.collection.model_version) == (made["id"], 1)
    assert running.treatment.collection.model_version == version
    await studio.client.post(f"/api/v1/collections/{shop.name}/experiments/{made['id']}/stop")
    assert await trials.running(shop) is None
    assert (await trials.of_cursor(shop, made["id"])).id == made["id"]


async def test_while_mongodb_is_away_what_ran_goes_on_and_nobody_asks_for_a_while(
    studio: Studio, shop: Collection, begin: Begin
) -> None:
    experiments = Watched()
    trials = process(studio, experiments, seen_within=0.0)
    made = await begin()
    before = await trials.running(shop)
    experiments.is_out = True
    asked = experiments.asked
    for _ in range(3):
        now = await trials.running(shop)
        assert now is not None
        assert before is not None
        assert now.id == before.id == made["id"]
    assert experiments.asked == asked + 1
