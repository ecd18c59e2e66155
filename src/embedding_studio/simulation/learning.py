"""Living through simulated days, and the learning curve that comes of it."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from itertools import count
from typing import Any, Literal

from embedding_studio.simulation.client import StudioClient
from embedding_studio.simulation.quality import Estimate, Evaluation, evaluate
from embedding_studio.simulation.steps import Steps
from embedding_studio.simulation.traffic import Behaviour, Traffic, live_a_day
from embedding_studio.simulation.world import Truth, World

__all__ = ["Day", "LearningCurve", "Scenario", "Training", "simulate"]

Moved = Callable[[int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """What is trained in the nights.

    Attributes:
        track: Of the fine-tuning.
        every: So many days.
        deploy: What the gate promotes, or whatever was trained: to see what would have become of it.
    """

    track: str = "query_adapter"
    every: int = 1
    deploy: Literal["if_better", "always"] = "if_better"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A run of days.

    Attributes:
        days: How many, at least 1.
        seed: Of all chance.
        behaviour: What people do on each day.
        start: Midnight of the first day; None: all happens now, as one long day.
        training: What is trained; None: nothing.
    """

    days: int = 10
    seed: int = 0
    behaviour: Behaviour = field(default_factory=Behaviour)
    start: datetime | None = None
    training: Training | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """What is served after a day; day 0 is before the first.

    Attributes:
        number: From 0.
        sessions: Searches of the day.
        events: Events that the API counted.
        model_version: What serves.
        decision: Of the gate, where something was trained.
        seen: nDCG@10 on the queries that people ask.
        never_seen: On those that nobody asks; None if there are none.
        change_seen: The difference to what was served before the first day, by the truth of this day.
        change_never_seen: The same.
    """

    number: int
    sessions: int
    events: int
    model_version: int
    decision: str | None
    seen: Estimate
    never_seen: Estimate | None
    change_seen: Estimate
    change_never_seen: Estimate | None


@dataclass(frozen=True, slots=True)
class LearningCurve:
    """The days of a run, from before the first."""

    seed: int
    days: Sequence[Day]

    @property
    def worst(self) -> Day:
        """The day that is the furthest below the start."""
        return min(self.days, key=lambda day: day.change_seen.high)

    @property
    def never_falls(self) -> bool:
        """Whether no day is below the start by more than its interval."""
        changes = [change for day in self.days for change in (day.change_seen, day.change_never_seen) if change]
        return all(change.high >= 0 for change in changes)

    def as_json(self) -> Mapping[str, Any]:
        """For machines."""
        return {
            "users": "simulated users",
            "seed": self.seed,
            "never_falls_below_the_start": self.never_falls,
            "days": [asdict(day) for day in self.days],
        }


async def simulate(client: StudioClient, world: World, scenario: Scenario, steps: Steps) -> LearningCurve:
    """Let people use a collection that has the world's items, for some days.

    Raises:
        UnavailableError: The API does not answer.
        RequestRefusedError: It refused something.
    """
    return await _Run(client, world, scenario, steps).live()


class _Run:
    """One life."""

    def __init__(self, client: StudioClient, world: World, scenario: Scenario, steps: Steps) -> None:
        self._client = client
        self._world = world
        self._scenario = scenario
        self._steps = steps
        self._chance = random.Random(scenario.seed)  # noqa: S311 -- repeatable on purpose

    async def live(self) -> LearningCurve:
        start = await self._evaluate(0)
        days = [_day(0, Traffic(0, 0), None, start, start, self._world.on(0))]
        for number in range(1, self._scenario.days + 1):
            traffic = await self._pass(number)
            decision = await self._train(number)
            now = await self._evaluate(number)
            days.append(_day(number, traffic, decision, start, now, self._world.on(number)))
        return LearningCurve(self._scenario.seed, days)

    async def _pass(self, number: int) -> Traffic:
        behaviour, start = self._scenario.behaviour, self._scenario.start
        with self._steps.step("days", f"Day {number}", behaviour.sessions) as moved:
            return await live_a_day(
                self._client,
                self._world.on(number).asked,
                behaviour,
                self._chance,
                midnight=start and start + timedelta(days=number - 1),
                advance=_counting(moved),
            )

    async def _train(self, number: int) -> str | None:
        training = self._scenario.training
        if training is None or number % training.every:
            return None
        with self._steps.step("training", f"Day {number}: training and gate"):
            result = await self._client.fine_tune(training.track)
            if training.deploy == "always" and result["model_version"] and not result["deployed"]:
                await self._client.deploy(result["model_version"], "a simulation deploys all that is trained")
        return str(result["gate"]["decision"])

    async def _evaluate(self, number: int) -> Evaluation:
        queries = self._world.on(number).queries
        with self._steps.step("evaluation", f"Day {number}: what is served", len(queries)) as moved:
            return await evaluate(self._client, queries, _counting(moved))


def _counting(moved: Moved) -> Callable[[], None]:
    done = count(1)
    return lambda: moved(next(done))


def _day(number: int, traffic: Traffic, decision: str | None, start: Evaluation, now: Evaluation, truth: Truth) -> Day:
    before = start.judged_by(truth.queries)
    after = now.judged_by(truth.queries)
    never = truth.never_asked
    return Day(
        number=number,
        sessions=traffic.sessions,
        events=traffic.events,
        model_version=now.model_version,
        decision=decision,
        seen=after.mean(truth.asked),
        never_seen=after.mean(never) if never else None,
        change_seen=after.gain_over(before, truth.asked),
        change_never_seen=after.gain_over(before, never) if never else None,
    )
