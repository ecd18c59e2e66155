"""Backups, and installations made of them."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from embedding_studio.cli.console import AsJson, Running, console, print_rows, settings_of, whisper
from embedding_studio.settings import Settings, load_settings

if TYPE_CHECKING:
    from embedding_studio.backup import Manifest

__all__ = ["commands"]

commands = typer.Typer()


@commands.command()
def backup(
    to: Annotated[Path, typer.Option(help="Folder to write; new or empty.")],
    data_dir: Running = None,
    as_json: AsJson = False,
) -> None:
    """Write PostgreSQL, MongoDB and the models into a folder, while everything runs.

    Example: embedding-studio backup --to /backups/2026-01-31
    """
    from embedding_studio.backup import take_backup

    manifest = asyncio.run(take_backup(settings_of(data_dir), to, console=Console(stderr=True)))
    _report(manifest, as_json=as_json)


@commands.command()
def restore(
    source: Annotated[Path, typer.Option("--from", help="Folder of the backup.")],
    data_dir: Annotated[
        Path | None,
        typer.Option(help="To be used by an `up` later; the servers that the settings name if not given."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Delete what is there.")] = False,
    as_json: AsJson = False,
) -> None:
    """Bring a backup into an empty installation, while nothing of it runs but the servers.

    Example: embedding-studio restore --from /backups/2026-01-31
    """
    from embedding_studio.backup import restore as run

    with _servers(data_dir) as settings:
        manifest = asyncio.run(run(settings, source, force=force, console=Console(stderr=True)))
    _report(manifest, as_json=as_json)


@contextmanager
def _servers(data_dir: Path | None) -> Iterator[Settings]:
    """Those that the settings name, or those of a folder, which run for as long as it takes."""
    from embedding_studio.up import servers

    if data_dir is None:
        yield load_settings()
        return
    with servers(data_dir, whisper):
        yield load_settings()


def _report(manifest: "Manifest", *, as_json: bool) -> None:
    from msgspec import json

    if as_json:
        console.print_json(json.encode(manifest).decode())
        return
    rows = [
        {"what": one.name, "documents": f"{one.entries:,}", "bytes": f"{one.size:,}"}
        for one in (manifest.postgres, *manifest.documents)
    ]
    size = sum(one.size for one in manifest.objects)
    rows.append({"what": f"{len(manifest.objects):,} objects", "documents": "", "bytes": f"{size:,}"})
    print_rows(rows, as_json=False)
