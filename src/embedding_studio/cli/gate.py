"""Why a model was promoted or not."""

import asyncio
import json
from typing import Annotated

import typer

from embedding_studio.cli.console import AsJson, Running, console, settings_of

__all__ = ["commands"]

commands = typer.Typer(help="Why a model was promoted or not.", no_args_is_help=True)


@commands.command("verify")
def gate_verify(
    collection: Annotated[str, typer.Argument(help="Name of the collection.")],
    version: Annotated[int, typer.Argument(min=1, help="Of the model.")],
    data_dir: Running = None,
    as_json: AsJson = False,
) -> None:
    """Make the gate's decision again from the evidence stored with a model; status 1 if anything comes out otherwise.

    Example: embedding-studio gate verify shop 4 --data-dir ./data
    """
    from msgspec import to_builtins

    from embedding_studio.gate import show, verify

    verified = asyncio.run(verify(settings_of(data_dir), collection, version))
    if as_json:
        console.print_json(json.dumps({"verified": verified.is_verified, **to_builtins(verified)}))
    else:
        show(verified, console)
    if not verified.is_verified:
        raise typer.Exit(1)
