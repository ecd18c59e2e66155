"""What every command prints with and reads its options by."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from embedding_studio.infra.log import configure_logging
from embedding_studio.settings import Settings, load_settings

__all__ = ["AsJson", "DataDir", "Running", "console", "logged_settings", "print_rows", "settings_of", "whisper"]

console = Console()

DataDir = Annotated[Path, typer.Option(help="Folder of all data; made if it is not there.")]
Running = Annotated[
    Path | None,
    typer.Option("--data-dir", help="Of an `up` that runs; the servers that the settings name if not given."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


def whisper(text: str) -> None:
    """Tell the person, beside what the command prints."""
    Console(stderr=True).print(text)


def logged_settings() -> Settings:
    """The settings of a process that logs."""
    settings = load_settings()
    configure_logging(level=settings.log.level, as_json=settings.log.as_json)
    return settings


def settings_of(data_dir: Path | None) -> Settings:
    """The settings of a command that looks at an installation: at the `up` of a folder, if one is given."""
    from embedding_studio.up import join

    if data_dir:
        join(data_dir)
    return load_settings()


def print_rows(rows: Sequence[Mapping[str, str]], *, as_json: bool) -> None:
    """Print a table, or the same as JSON."""
    if as_json:
        console.print_json(json.dumps(rows))
        return
    table = Table(*(rows[0] if rows else ()))
    for row in rows:
        table.add_row(*map(escape, row.values()))
    console.print(table)
