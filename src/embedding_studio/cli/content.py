"""Plugins, items in, models and sessions out."""

import asyncio
import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from embedding_studio.cli.console import AsJson, Running, console, logged_settings, print_rows, settings_of

__all__ = ["commands"]

commands = typer.Typer()
export = typer.Typer(help="Write models or sessions out.", invoke_without_command=True)
commands.add_typer(export, name="export")


@commands.command()
def plugins(
    folder: Annotated[
        Path | None,
        typer.Option(envvar="EMBEDDING_STUDIO_PLUGINS", help="Folder of plugins; the shipped one if not given."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the plugins, and say what is wrong with those that do not load."""
    from embedding_studio.infra.shipped import shipped
    from embedding_studio.sdk import find_plugins

    found = find_plugins(folder or shipped("plugins")).found
    rows = [{"name": one.name, "version": one.version, "status": one.status, "detail": one.detail} for one in found]
    print_rows(rows, as_json=as_json)
    if any(one.status == "broken" for one in found):
        raise typer.Exit(1)


@commands.command()
def ingest(
    collection: Annotated[str, typer.Argument(help="Name of the collection.")],
    loader: Annotated[str, typer.Option(help="Name of a loader of the collection's plugin.")],
    option: Annotated[
        list[str] | None, typer.Option(help="name=value, as the loader takes it; may be repeated.")
    ] = None,
    url: Annotated[str, typer.Option(help="Of the API.")] = "http://127.0.0.1:8400",
    as_json: AsJson = False,
) -> None:
    """Pull items into a collection through a loader of its plugin, and watch.

    Example: embedding-studio ingest shop --loader files --option prefix=2026/
    """
    from embedding_studio.ingest import ingest as run
    from embedding_studio.ingest import read_options

    watch = Console(stderr=True)
    task = run(url, collection, loader=loader, options=read_options(option or ()), console=watch)
    if as_json:
        console.print_json(json.dumps(task))
    if task["state"] != "succeeded":
        raise typer.Exit(1)


@export.callback()
def export_models(context: typer.Context) -> None:
    """Export the encoders and cross-encoders that the plugins name to ONNX, where that was not done yet.

    Where objects are kept in S3, they are stored there too, and every other machine fetches them.
    With `sessions`: write a collection's sessions with their events.
    """
    if context.invoked_subcommand:
        return
    from embedding_studio.bootstrap import model_sources
    from embedding_studio.inference.exporting import export_for_all
    from embedding_studio.infra.objects import open_objects
    from embedding_studio.sdk import find_plugins

    settings = logged_settings()
    sources = model_sources(find_plugins(settings.plugins))

    async def run() -> None:
        async with open_objects(settings.objects) as objects:
            await export_for_all(sources, settings.inference.encoders, objects)

    asyncio.run(run())


@export.command("sessions")
def export_sessions(
    collection: Annotated[str, typer.Argument(help="Name of the collection.")],
    output: Annotated[Path, typer.Option(help="File to write; - is standard output.")] = Path("-"),
    since: Annotated[str | None, typer.Option(help="Searches from this time on, such as 2026-01-31T12:00:00Z.")] = None,
    until: Annotated[str | None, typer.Option(help="Searches before this time.")] = None,
    data_dir: Running = None,
) -> None:
    """Write a collection's sessions with their events, one JSON a line, oldest first.

    Example: embedding-studio export sessions shop --since 2026-01-01T00:00:00Z --output sessions.jsonl
    """
    from embedding_studio.export import export_sessions as run
    from embedding_studio.export import read_span

    watch = Console(stderr=True)
    span = read_span(since, until)
    written = asyncio.run(run(settings_of(data_dir), collection, span, output=output, console=watch))
    watch.print(f"{written:,} sessions", highlight=False)
