"""The demo from beginning to end."""

import json
import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

from rich.console import Console

from embedding_studio.demo.catalog import Film, load_films
from embedding_studio.demo.lists import side_by_side
from embedding_studio.demo.memory import peak_memory
from embedding_studio.demo.processes import running_studio
from embedding_studio.demo.queries import Query, compose_queries
from embedding_studio.demo.record import Curve, Day, DemoReport
from embedding_studio.demo.report import print_report, write_html
from embedding_studio.kernel.errors import InvalidError
from embedding_studio.simulation.client import StudioClient
from embedding_studio.simulation.quality import Estimate, Evaluation, evaluate
from embedding_studio.simulation.steps import Steps
from embedding_studio.simulation.traffic import Behaviour, Traffic, live_a_day
from embedding_studio.simulation.users import UserModel

__all__ = ["COLLECTION", "DemoOptions", "run_demo"]

COLLECTION = "demo-films"
_PLUGIN = "movies"
_SEEN_EVALUATED = 300
_USERS = UserModel(shown=20, examination=0.4, click_relevant=0.8, click_other=0.03, people=600, popularity=0.3)
_MEBIBYTE = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOptions:
    """What to run.

    Attributes:
        data_dir: Where `embedding-studio up` keeps its data.
        url: Of an API that runs already; none is started then. Its collection `demo-films` is made anew.
        days: Simulated days, at least 1.
        sessions_per_day: Searches on each of them.
        films: How many films of the catalog; None: all.
        seed: Of the users; the films and the queries are always the same.
        shuffle_clicks: Live in a world where clicks say nothing: nothing may be promoted.
        report: The HTML file to write.
        json: The file of figures to write.
        users: How the users behave.
    """

    data_dir: Path = Path("data")
    url: str | None = None
    days: int = 5
    sessions_per_day: int = 2_000
    films: int | None = None
    seed: int = 0
    shuffle_clicks: bool = False
    report: Path = Path("report.html")
    json: Path = Path("demo-report.json")
    users: UserModel = _USERS


async def run_demo(options: DemoOptions, console: Console | None = None) -> DemoReport:
    """Run the demo, write its two files and print its table.

    Raises:
        InvalidError: There are no days, or too few films for any query.
        UnavailableError: The product, or the films, could not be had.
        RequestRefusedError: The API refused something.
    """
    console = console or Console()
    steps = Steps(console)
    with steps.shown(), steps.step("total", "The whole demo"):
        report = await _played(options, steps)
    report = replace(report, seconds=dict(steps.seconds))
    options.json.write_text(json.dumps(report.as_json(), indent=2) + "\n", encoding="utf-8")
    write_html(report, options.report)
    print_report(report, console)
    return report


async def _played(options: DemoOptions, steps: Steps) -> DemoReport:
    with steps.step("compose", "Composing queries"):
        films = load_films(options.films)
        queries = compose_queries(films)
    async with AsyncExitStack() as stack:
        peak = await stack.enter_async_context(peak_memory())
        with steps.step("start", "Starting servers, API and workers"):
            url = options.url or stack.enter_context(running_studio(options.data_dir))
        client = await stack.enter_async_context(StudioClient(url, COLLECTION))
        played = await _Demo(options, films, queries, client, steps).play()
        with steps.step("stop", "Stopping"):
            await stack.aclose()
    return replace(played, peak_memory_mb=round(peak.bytes / _MEBIBYTE, 1) or None)


class _Demo:
    """One run against a server that is ready."""

    def __init__(
        self, options: DemoOptions, films: Sequence[Film], queries: Sequence[Query], client: StudioClient, steps: Steps
    ) -> None:
        self._options = options
        self._films = films
        self._client = client
        self._steps = steps
        self._chance = random.Random(options.seed)  # noqa: S311 -- repeatable on purpose
        self._clicked = [query for query in queries if query.clicked]
        self._never_clicked = [query for query in queries if not query.clicked]
        self._held_out = [query for query in self._never_clicked if query.held_out]
        if options.days < 1 or not self._clicked or not self._held_out:
            raise InvalidError.at("options", "at least one day, and films enough for queries of every kind, are needed")
        self._chance.shuffle(self._clicked)
        self._seen = self._clicked[:: max(1, len(self._clicked) // _SEEN_EVALUATED)]

    async def play(self) -> DemoReport:
        await self._ingest()
        before = now = await self._evaluate("Before the first day")
        days: list[Day] = []
        for number in range(1, self._options.days + 1):
            traffic = await self._live(number)
            trained = await self._fine_tune(number)
            if await self._client.model_version() != now.model_version:
                now = await self._evaluate(f"Day {number}: what is served now")
            days.append(_day(number, traffic, trained, now.model_version, self._curve(now)))
        return DemoReport(
            seed=self._options.seed,
            shuffled_clicks=self._options.shuffle_clicks,
            items=len(self._films),
            queries={
                "clicked": len(self._clicked),
                "never_clicked": len(self._never_clicked),
                "of these with held-out words": len(self._held_out),
            },
            before=self._curve(before),
            gain=self._gain(before, now),
            days=days,
            lists=side_by_side(self._never_clicked, before, now, {film.id: film for film in self._films}),
            seconds={},
            peak_memory_mb=None,
        )

    async def _ingest(self) -> None:
        items = [film.item() for film in self._films]
        with self._steps.step("ingest", f"Ingesting {len(items):,} films", len(items)) as moved:
            await self._client.recreate(_PLUGIN)
            await self._client.ingest(items, moved)

    async def _live(self, number: int) -> Traffic:
        options = self._options
        behaviour = Behaviour(
            sessions=options.sessions_per_day, users=options.users, null="shuffled" if options.shuffle_clicks else None
        )
        title = f"Day {number}: simulated users search and click"
        with self._steps.step("sessions", title, behaviour.sessions) as moved:
            return await live_a_day(
                self._client, self._clicked, behaviour, self._chance, midnight=None, advance=_counting(moved)
            )

    async def _fine_tune(self, number: int) -> dict[str, Any]:
        with self._steps.step("fine_tuning", f"Day {number}: fine-tuning, gate, deployment"):
            return await self._client.fine_tune()

    async def _evaluate(self, title: str) -> Evaluation:
        queries = [*self._never_clicked, *self._seen]
        with self._steps.step("evaluation", title, len(queries)) as moved:
            return await evaluate(self._client, queries, _counting(moved))

    def _curve(self, at: Evaluation) -> Curve:
        return Curve(*map(at.mean, (self._seen, self._never_clicked, self._held_out)))

    def _gain(self, before: Evaluation, after: Evaluation) -> Curve:
        kinds = (self._seen, self._never_clicked, self._held_out)
        return Curve(*(after.gain_over(before, queries) for queries in kinds))


def _counting(moved: Callable[[int], None]) -> Callable[[], None]:
    done = count(1)
    return lambda: moved(next(done))


def _day(number: int, traffic: Traffic, trained: Mapping[str, Any], model_version: int, curve: Curve) -> Day:
    gain = trained["metrics"].get("ndcg@10")
    return Day(
        number=number,
        sessions=traffic.sessions,
        events=traffic.events,
        gate=trained["gate"],
        gate_gain=Estimate(gain["delta"], *gain["ci95"]) if gain else None,
        model_version=model_version,
        mlflow_run_id=trained["mlflow_run_id"],
        curve=curve,
    )
