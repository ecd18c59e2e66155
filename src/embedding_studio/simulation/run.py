"""`embedding-studio simulate`: fill a collection if it is new, let people use it, report how it learns."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import get_args

from rich.console import Console
from rich.table import Table

from embedding_studio.kernel.errors import InvalidError
from embedding_studio.kernel.time import now
from embedding_studio.simulation.chart import draw_curve
from embedding_studio.simulation.client import StudioClient
from embedding_studio.simulation.learning import LearningCurve, Scenario, Training, simulate
from embedding_studio.simulation.quality import Estimate
from embedding_studio.simulation.steps import Steps
from embedding_studio.simulation.traffic import Behaviour, Null
from embedding_studio.simulation.users import UserModel
from embedding_studio.simulation.world import World, read_world

__all__ = ["Options", "Target", "run_simulation", "show"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What is simulated on.

    Attributes:
        url: Of the API.
        collection: Made and filled with the world's items if it is not there; else taken as it is.
        plugin: Of a new collection.
    """

    url: str
    collection: str
    plugin: str = "text"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line says of a simulation, see `Scenario`, `Behaviour` and `read_world`."""

    days: int = 10
    sessions: int = 300
    seed: int = 0
    never_asked: float = 0.3
    taste: float = 0.0
    bots: float = 0.0
    duplicates: float = 0.0
    null: str | None = None
    drift: int | None = None
    train_every: int = 0
    track: str = "query_adapter"
    live: bool = False

    def world(self, folder: Path) -> World:
        """The world of a folder."""
        return read_world(folder, seed=self.seed, never_asked=self.never_asked, drift_day=self.drift)

    def scenario(self, moment: datetime) -> Scenario:
        """The days that end before the one of a moment.

        Raises:
            InvalidError: There is no null world of that name.
        """
        nulls: dict[str | None, Null | None] = {None: None, **{name: name for name in get_args(Null)}}
        if self.null not in nulls:
            raise InvalidError.at("--null", f"must be one of {', '.join(get_args(Null))}")
        midnight = datetime.combine(moment.date(), datetime.min.time(), UTC)
        return Scenario(
            days=self.days,
            seed=self.seed,
            behaviour=Behaviour(
                sessions=self.sessions,
                users=UserModel(taste=self.taste),
                null=nulls[self.null],
                bots=self.bots,
                duplicates=self.duplicates,
            ),
            start=None if self.live else midnight - timedelta(days=self.days),
            training=Training(track=self.track, every=self.train_every) if self.train_every else None,
        )


async def run_simulation(
    target: Target, data: Path, options: Options, *, plot: Path | None, console: Console
) -> LearningCurve:
    """Run it, with progress on the console.

    Args:
        target: What is simulated on.
        data: Folder of the judged set.
        options: How.
        plot: Where the curve is drawn; None: nowhere.
        console: Shows the progress.

    Raises:
        NotFoundError: The judged set is not there.
        InvalidError: The options make no world.
        UnavailableError: The API does not answer, or the plot cannot be drawn.
        RequestRefusedError: The API refused something.
    """
    world, scenario = options.world(data), options.scenario(now())
    steps = Steps(console)
    with steps.shown():
        async with StudioClient(target.url, target.collection) as client:
            if await client.ensure(target.plugin):
                with steps.step("ingest", f"Ingesting {len(world.items):,} items", len(world.items)) as moved:
                    await client.ingest(world.items, moved)
            curve = await simulate(client, world, scenario, steps)
    if plot:
        draw_curve(curve, plot)
    return curve


def show(curve: LearningCurve, console: Console, *, as_json: bool) -> None:
    """Print the curve."""
    if as_json:
        console.print_json(json.dumps(curve.as_json()))
        return
    table = Table("day", "sessions", "events", "model", "gate", "seen", "change", "never seen", "change")
    for day in curve.days:
        table.add_row(
            f"{day.number}",
            f"{day.sessions:,}",
            f"{day.events:,}",
            f"v{day.model_version}",
            day.decision or "",
            *map(_text, (day.seen, day.change_seen, day.never_seen, day.change_never_seen)),
        )
    console.print(table)


def _text(one: Estimate | None) -> str:
    return f"{one.mean:.3f} ({one.low:+.3f} to {one.high:+.3f})" if one else ""
