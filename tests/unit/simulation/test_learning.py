"""A run of days against an API of a few lines, which learns from clicks or does not."""

import asyncio
import io
import json
from collections import Counter
from typing import Any

import httpx
import pytest
from rich.console import Console

from embedding_studio.simulation.client import StudioClient
from embedding_studio.simulation.learning import LearningCurve, Scenario, Training, simulate
from embedding_studio.simulation.steps import Steps
from embedding_studio.simulation.traffic import Behaviour
from embedding_studio.simulation.world import JudgedQuery, Truth, World

ITEMS = [f"i{number:02}" for number in range(30)]


class Api:
    """Ranks by id; after a training, by clicks."""

    def __init__(self, *, decision: str = "promote", turns: int = 1) -> None:
        self.decision = decision
        self.turns = turns
        self.clicks = Counter[tuple[str, str]]()
        self.asked = dict[str, str]()
        self.version = 1
        self.notes: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path, body = request.url.path, json.loads(request.content or "{}")
        for end, answer in (("/search", self.search), ("/events", self.events), ("/fine-tuning", self.train)):
            if path.endswith(end):
                return httpx.Response(200, json=answer(body))
        if request.method == "POST" and path.endswith("/deploy"):
            self.version = int(path.split("/")[-2])
            self.notes.append(body["note"])
            return httpx.Response(200, json={"task_id": "deploy"})
        gate = {"model_version": 2, "deployed": self.version == 2, "gate": {"decision": self.decision}}
        task = {"state": "succeeded", "result": gate, "progress": {"done": 1}}
        return httpx.Response(200, json=task)

    def search(self, body: dict[str, Any]) -> dict[str, Any]:
        session = f"s{len(self.asked)}"
        self.asked[session] = body["query"]
        ranked = sorted(ITEMS, key=lambda item: self._rank(body["query"], item))[: body["limit"]]
        results = [{"id": item} for item in ranked]
        return {"session_id": session, "results": results, "model_version": self.version}

    def _rank(self, query: str, item: str) -> tuple[int, str]:
        return (0 if self.version == 1 else -self.turns * self.clicks[(query, item)], item)

    def events(self, body: dict[str, Any]) -> dict[str, Any]:
        for event in body["events"]:
            self.clicks[(self.asked[event["session_id"]], event["item_id"])] += 1
        return {"accepted": len(body["events"])}

    def train(self, _: dict[str, Any]) -> dict[str, Any]:
        if self.decision == "promote":
            self.version = 2
        return {"task_id": "t"}


def world() -> World:
    queries = [JudgedQuery(f"q{n}", {ITEMS[9 + n]: 1.0, ITEMS[0]: 0.2}) for n in range(6)]
    truth = Truth(queries[:4], queries[4:])
    return World([], truth, truth)


def live(api: Api, **scenario: Any) -> LearningCurve:
    async def run() -> LearningCurve:
        async with StudioClient("http://studio", "things", httpx.MockTransport(api)) as client:
            given = Scenario(behaviour=Behaviour(sessions=120), **scenario)
            return await simulate(client, world(), given, Steps(Console(file=io.StringIO())))

    return asyncio.run(run())


def test_without_training_nothing_changes() -> None:
    curve = live(Api(), days=2)
    assert [day.number for day in curve.days] == [0, 1, 2]
    assert [day.sessions for day in curve.days] == [0, 120, 120]
    assert {day.change_seen.mean for day in curve.days} == {0.0}
    assert curve.never_falls


def test_what_is_learnt_shows_from_the_day_of_the_training_on() -> None:
    curve = live(Api(), days=3, training=Training(every=2))
    assert [day.model_version for day in curve.days] == [1, 1, 2, 2]
    assert [day.decision for day in curve.days] == [None, None, "promote", None]
    assert curve.days[1].change_seen.mean == 0
    assert curve.days[2].change_seen.low > 0
    assert curve.days[2].change_never_seen is not None
    assert curve.days[2].change_never_seen.mean == 0
    assert curve.never_falls


def test_a_fall_is_seen() -> None:
    curve = live(Api(turns=-1), days=2, training=Training(every=1))
    assert curve.worst.change_seen.high < 0
    assert not curve.never_falls
    assert curve.as_json()["never_falls_below_the_start"] is False


def test_what_the_gate_refused_is_deployed_only_where_that_is_wanted() -> None:
    obedient, curious = Api(decision="reject"), Api(decision="reject")
    assert live(obedient, days=1, training=Training()).days[1].model_version == 1
    assert live(curious, days=1, training=Training(deploy="always")).days[1].model_version == 2
    assert (obedient.notes, len(curious.notes)) == ([], 1)


def test_the_same_seed_gives_the_same_curve() -> None:
    first, again, other = (live(Api(), days=2, seed=seed, training=Training()).as_json() for seed in (1, 1, 2))
    assert first == again
    assert first != other


@pytest.mark.parametrize("part", ["asked", "never_asked"])
def test_the_curve_is_of_both_kinds_of_queries(part: str) -> None:
    day = live(Api(), days=1).days[0]
    expected = {"asked": day.seen, "never_asked": day.never_seen}[part]
    assert expected is not None
    assert 0 < expected.mean < 1
