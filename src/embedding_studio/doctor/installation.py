"""`embedding-studio doctor installation`: whether everything is there that the product needs, and fit for it."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
from rich.console import Console
from rich.markup import escape

from embedding_studio.bootstrap import DOCUMENTS, open_container, require_migrated
from embedding_studio.doctor.checks import Check, reached
from embedding_studio.doctor.machine import check_disk, check_objects
from embedding_studio.doctor.mongo import check_mongo
from embedding_studio.doctor.postgres import check_postgres
from embedding_studio.doctor.redis import check_redis
from embedding_studio.doctor.work import check_encoders, check_plugins, check_tasks
from embedding_studio.infra.jobs import RedisSettings
from embedding_studio.infra.objects import ObjectSettings, open_objects
from embedding_studio.settings import Settings

__all__ = ["InstallationReport", "doctor_installation", "show_installation"]

_MARKS = {"ok": "[green]✓[/]", "warn": "[yellow]![/]", "bad": "[red]✗[/]"}


@dataclass(frozen=True, slots=True)
class InstallationReport:
    """All that was looked at."""

    checks: tuple[Check, ...]

    @property
    def is_well(self) -> bool:
        """Whether nothing is bad; warnings are no reason to wake anybody."""
        return all(one.severity != "bad" for one in self.checks)

    def to_json(self) -> str:
        """The report, for machines."""
        return msgspec.json.encode({"ok": self.is_well, "checks": self.checks}).decode()


async def doctor_installation(settings: Settings) -> InstallationReport:
    """Look at every part by itself, so that one that is broken hides no other."""
    groups = await asyncio.gather(
        reached("postgres", check_postgres(settings.postgres), "POSTGRES__DSN"),
        reached("mongo", check_mongo(settings.mongo, DOCUMENTS), "MONGO__URL"),
        reached("redis", _redis(settings.redis), "REDIS__URL"),
        reached("objects", _objects(settings.objects), "OBJECTS__ENDPOINT"),
    )
    checks = [check for group in groups for check in group]
    work = await reached("work", _work(settings), "every address in the settings")
    return InstallationReport((*checks, *check_disk(settings.data_dir), *work))


def show_installation(report: InstallationReport, console: Console) -> None:
    """Print the report for people."""
    for one in report.checks:
        console.print(f"{_MARKS[one.severity]} {escape(one.name)}: {escape(one.found)}", highlight=False)
        if one.remedy:
            console.print(f"  → {escape(one.remedy)}", highlight=False)
    console.print("[green]All is well.[/]" if report.is_well else "[red]Something is to be done.[/]")


async def _redis(settings: RedisSettings) -> Sequence[Check]:
    return await asyncio.to_thread(check_redis, settings)


async def _objects(settings: ObjectSettings) -> Sequence[Check]:
    async with open_objects(settings) as objects:
        return await check_objects(objects)


async def _work(settings: Settings) -> Sequence[Check]:
    await require_migrated(settings)
    async with open_container(settings) as container:
        return [
            *check_plugins(container),
            *await reached("encoders", check_encoders(container), "INFERENCE__ENCODERS"),
            *await check_tasks(container),
        ]
