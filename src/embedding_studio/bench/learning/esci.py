"""Section `esci`: twenty simulated days on the judged products, with each way to learn by itself, and together."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from rich.console import Console

from embedding_studio.bench.charts import Chart
from embedding_studio.bench.figures import Figure, at_least, seen
from embedding_studio.bench.findings import Findings
from embedding_studio.bench.learning.stage import Stage
from embedding_studio.demo.processes import running_studio
from embedding_studio.kernel.time import now
from embedding_studio.settings import PREFIX
from embedding_studio.simulation.client import StudioClient
from embedding_studio.simulation.learning import LearningCurve, Scenario, Training, simulate
from embedding_studio.simulation.steps import Steps
from embedding_studio.simulation.traffic import Behaviour
from embedding_studio.simulation.world import World, read_world

__all__ = ["ARMS", "ENCODER_ARMS", "Arm", "measure_esci", "measure_esci_encoders"]

_NAME = "esci"
_DAYS = 20
_SESSIONS = 200
_SEED = 5
_PLUGIN = """from embedding_studio.sdk import EmbeddingPlugin, FieldsText, Ranking

plugin = EmbeddingPlugin(
    name="{name}",
    text=FieldsText(("title", "name", "description", "text", "content")),
    ranking=Ranking({ranking}),
)
"""
_PLUGINS = {"forgetful": "adjuster=None", "remembering": ""}


@dataclass(frozen=True, slots=True)
class Arm:
    """One way to learn.

    Attributes:
        remembers: Whether the click memory takes part.
        training: What is trained; None: nothing.
    """

    name: str
    remembers: bool
    training: Training | None = None


_ADAPTER = Training(every=5)
_ADAPTER_ALWAYS = Training(every=5, deploy="always")
_ENCODERS_ALWAYS = Training(track="both_encoders", every=10, deploy="always")

ARMS = (
    Arm("adapter", remembers=False, training=_ADAPTER),
    Arm("adapter_without_gate", remembers=False, training=_ADAPTER_ALWAYS),
    Arm("memory", remembers=True),
    Arm("memory_and_adapter_without_gate", remembers=True, training=_ADAPTER_ALWAYS),
)
"""The arms of minutes. Of 150 queries a third judges, and the gate wants 200: it lets none of them pass."""

ENCODER_ARMS = (
    Arm("both_encoders_without_gate", remembers=False, training=_ENCODERS_ALWAYS),
    Arm("memory_and_both_encoders_without_gate", remembers=True, training=_ENCODERS_ALWAYS),
)
"""The arms of an hour."""


async def measure_esci(stage: Stage) -> Findings:
    """Learning curves of what takes minutes; none may fall below the start by more than its interval."""
    return await _measure(stage, ARMS, _NAME)


async def measure_esci_encoders(stage: Stage) -> Findings:
    """The same of what trains encoders."""
    return await _measure(stage, ENCODER_ARMS, f"{_NAME}_encoders")


async def _measure(stage: Stage, arms: Sequence[Arm], section: str) -> Findings:
    world = read_world(stage.sets / _NAME, seed=_SEED)
    folder = stage.data_dir / section
    os.environ[f"{PREFIX}PLUGINS"] = str(_write_plugins(folder / "plugins"))
    start = datetime.combine(now().date(), datetime.min.time(), now().tzinfo) - timedelta(days=_DAYS)
    curves: dict[str, LearningCurve] = {}
    with running_studio(folder) as url:
        for arm in arms:
            stage.say(f"{_DAYS} days: {arm.name}")
            curves[arm.name] = await _live(url, arm, world, start)
    figures = [figure for name, curve in curves.items() for figure in _figures(section, name, curve)]
    return Findings(figures, [_chart(curves)])


async def _live(url: str, arm: Arm, world: World, start: datetime) -> LearningCurve:
    plugin = "remembering" if arm.remembers else "forgetful"
    scenario = Scenario(
        days=_DAYS, seed=_SEED, behaviour=Behaviour(sessions=_SESSIONS), start=start, training=arm.training
    )
    async with StudioClient(url, f"esci-{arm.name.replace('_', '-')}") as client:
        await client.recreate(plugin)
        await client.ingest(world.items, lambda _: None)
        return await simulate(client, world, scenario, Steps(Console(quiet=True)))


def _figures(section: str, name: str, curve: LearningCurve) -> list[Figure]:
    first, last, worst = curve.days[0], curve.days[-1], curve.worst
    change = last.change_seen
    interval = f"95 % interval {change.low:+.4f} to {change.high:+.4f}; simulated users"
    return [
        seen(section, f"{name}_start", first.seen.mean, "nDCG@10"),
        seen(section, f"{name}_end", last.seen.mean, "nDCG@10", floor=first.seen.mean, note=interval),
        at_least(section, f"{name}_worst_days_upper_bound", worst.change_seen.high, 0.0, unit="nDCG@10"),
    ]


def _chart(curves: dict[str, LearningCurve]) -> Chart:
    days = [str(day.number) for day in next(iter(curves.values())).days]
    series = {name: [day.seen for day in curve.days] for name, curve in curves.items()}
    return Chart("ESCI, simulated users: what is served after each day", "nDCG@10", days, series, kind="curves")


def _write_plugins(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, ranking in _PLUGINS.items():
        (folder / f"{name}.py").write_text(_PLUGIN.format(name=name, ranking=ranking), encoding="utf-8")
    return folder.resolve()
