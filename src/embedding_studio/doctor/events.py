"""`embedding-studio doctor events`: whether events come as they should, and which field of theirs is wrong."""

from collections.abc import Sequence
from datetime import datetime

import msgspec
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from embedding_studio.bootstrap import open_container
from embedding_studio.clickstream import EventFinding, EventReport
from embedding_studio.doctor.tables import all_collections
from embedding_studio.infra.outages import OUTAGES, as_unavailable
from embedding_studio.settings import Settings

__all__ = ["all_well", "doctor_events", "events_json", "show_events"]

_MARKS = {"ok": "[green]✓[/]", "warn": "[yellow]![/]", "bad": "[red]✗[/]"}


async def doctor_events(settings: Settings, only: str | None, *, since: datetime | None) -> list[EventReport]:
    """Examine the events of all collections, or of the one that is named.

    Raises:
        CollectionNotFoundError: There is none of this name.
        InvalidError: The time cannot be looked at.
        UnavailableError: A server does not answer.
    """
    try:
        async with open_container(settings) as container:
            names = [only] if only else [one.name for one in await all_collections(container.catalog)]
            return [await container.event_doctor.examine(name, since=since) for name in names]
    except OUTAGES as error:
        raise as_unavailable(error) from error


def all_well(reports: Sequence[EventReport]) -> bool:
    """Whether nothing is bad; warnings are no reason to wake anybody."""
    return all(one.ok for one in reports)


def events_json(reports: Sequence[EventReport]) -> str:
    """The reports, for machines."""
    return msgspec.json.encode({"ok": all_well(reports), "collections": reports}).decode()


def show_events(reports: Sequence[EventReport], console: Console) -> None:
    """Print the reports for people."""
    for report in reports:
        console.print(_table(report))
        for finding in report.findings:
            if finding.remedy:
                _show(finding, console)
    console.print("[green]Events come as they should.[/]" if all_well(reports) else "[red]Something is to be done.[/]")


def _table(report: EventReport) -> Table:
    seen = f"{report.sessions:,} searches and {report.events:,} events since {report.since:%Y-%m-%d %H:%M}"
    title = f"{report.collection}: {seen}"
    table = Table("", "check", "field", "share", "what was seen", title=title, title_justify="left")
    for one in report.findings:
        share = f"{one.count / one.of:.1%}" if one.of else ""
        table.add_row(_MARKS[one.severity], *map(escape, (one.check, one.field, share, one.problem)))
    return table


def _show(finding: EventFinding, console: Console) -> None:
    text = (
        f"{_MARKS[finding.severity]} {escape(finding.field)}: {escape(finding.problem)}\n  → {escape(finding.remedy)}"
    )
    console.print(text, highlight=False)
