"""What is wrong, and what to do about it."""

import asyncio
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from embedding_studio.cli.console import AsJson, Running, console, settings_of

__all__ = ["commands"]


class _Doctor(TyperGroup):
    """`doctor` and `doctor COLLECTION` look at tables; a collection with a command's name: `doctor tables events`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put `tables` where no command is named."""
        named = args and (args[0] in self.commands or args[0] == "--help")
        parsed: list[str] = super().parse_args(ctx, args if named else ["tables", *args])
        return parsed


commands = typer.Typer(cls=_Doctor, help="Say what is wrong, and what to do about it; `tables` if not said otherwise.")


@commands.command("tables")
def doctor_tables(
    collection: Annotated[str | None, typer.Argument(help="Name of a collection; all if not given.")] = None,
    data_dir: Running = None,
    as_json: AsJson = False,
) -> None:
    """Say what is wrong with the collections' tables and indexes, and what to do; status 1 if anything is.

    Example: embedding-studio doctor --data-dir ./data
    """
    from embedding_studio.doctor import doctor as run
    from embedding_studio.doctor import show

    report = asyncio.run(run(settings_of(data_dir), collection))
    if as_json:
        console.print_json(report.to_json())
    else:
        show(report, console)
    if not report.is_well:
        raise typer.Exit(1)


@commands.command("installation")
def doctor_installation(data_dir: Running = None, as_json: AsJson = False) -> None:
    """Say whether servers, schema, disk, clocks, objects, encoders and workers are fit; status 1 if anything is bad.

    Example: embedding-studio doctor installation
    """
    from embedding_studio.doctor import doctor_installation as run
    from embedding_studio.doctor import show_installation

    report = asyncio.run(run(settings_of(data_dir)))
    if as_json:
        console.print_json(report.to_json())
    else:
        show_installation(report, console)
    if not report.is_well:
        raise typer.Exit(1)


@commands.command("events")
def doctor_events(
    collection: Annotated[str | None, typer.Argument(help="Name of a collection; all if not given.")] = None,
    since: Annotated[
        str | None, typer.Option(help="Time to look from, such as 2026-01-31T12:00:00Z; a week ago if not given.")
    ] = None,
    data_dir: Running = None,
    as_json: AsJson = False,
) -> None:
    """Say which field of the events is wrong, how much, and how to mend it; status 1 if anything is bad.

    Example: embedding-studio doctor events shop --since 2026-01-31T00:00:00Z
    """
    from embedding_studio.doctor import all_well, events_json, show_events
    from embedding_studio.doctor import doctor_events as run
    from embedding_studio.kernel.time import read_time

    moment = read_time(since, "--since") if since else None
    reports = asyncio.run(run(settings_of(data_dir), collection, since=moment))
    if as_json:
        console.print_json(events_json(reports))
    else:
        show_events(reports, console)
    if not all_well(reports):
        raise typer.Exit(1)
