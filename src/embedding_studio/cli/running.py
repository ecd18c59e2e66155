"""Running the processes."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from embedding_studio.cli.console import DataDir, console, logged_settings
from embedding_studio.infra.log import configure_logging

__all__ = ["commands"]

commands = typer.Typer()


@commands.command()
def up(
    data_dir: DataDir = Path("data"),
    host: Annotated[
        str, typer.Option(help="Address of the API; of the loopback, unless `access.required` says that keys are.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the API.")] = 8400,
) -> None:
    """Run everything on this machine: servers, API and workers. Ctrl-C stops all of it.

    Example: embedding-studio up --data-dir ./data --port 8400
    """
    from embedding_studio.up import up as run

    configure_logging(level="warning")
    run(data_dir, host=host, port=port, say=console.print)


@commands.command()
def serve(
    listener: Annotated[
        int | None,
        typer.Option(min=3, help="Descriptor of an open socket to serve on, such as 3 of a systemd socket unit."),
    ] = None,
) -> None:
    """Run the HTTP API against the servers that the settings name. SIGHUP replaces its processes, one after the other.

    Example: EMBEDDING_STUDIO_API__PROCESSES=2 embedding-studio serve
    """
    from embedding_studio.api.server import serve as run

    run(logged_settings(), listener=listener)


@commands.command()
def worker(
    role: Annotated[str, typer.Option(help="finetune, inference, improve, upsert, or all.")] = "all",
) -> None:
    """Run a worker of one role, or one process of every role.

    Example: embedding-studio worker --role upsert
    """
    from embedding_studio.up import run_roles
    from embedding_studio.worker import ROLES, run_worker

    settings = logged_settings()
    if role == "all":
        run_roles(settings.data_dir, metrics_port=settings.metrics.port, say=Console(stderr=True).print)
    elif role in ROLES:
        run_worker(settings, role)
    else:
        raise typer.BadParameter(f"there are: {', '.join(ROLES)}, all", param_hint="--role")


@commands.command()
def migrate() -> None:
    """Bring PostgreSQL and MongoDB to the present schema; safe at any time, and while the release before still runs.

    Example: embedding-studio migrate
    """
    from embedding_studio.bootstrap import migrate as run

    asyncio.run(run(logged_settings()))
