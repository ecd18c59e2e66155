"""Keys of the API, and the log of what was done with them."""

import asyncio
import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from embedding_studio.cli.console import AsJson, Running, console, print_rows, settings_of

if TYPE_CHECKING:
    from embedding_studio.access import NewKeyView, Role

__all__ = ["commands"]

commands = typer.Typer()
keys = typer.Typer(help="Keys of the API.", no_args_is_help=True)
commands.add_typer(keys, name="keys")

KeyId = Annotated[str, typer.Argument(metavar="ID", help="Of the key: what `keys list` shows.")]


@keys.command("create")
def create_key(
    role: Annotated[str, typer.Option(help="search, ingest, admin or metrics.")],
    name: Annotated[str, typer.Option(help="What it is for.")] = "",
    collection: Annotated[
        list[str] | None, typer.Option(help="One that it may touch; may be repeated. All if not given.")
    ] = None,
    rate: Annotated[float | None, typer.Option(help="Requests a second; as many as it likes if not given.")] = None,
    expires: Annotated[str | None, typer.Option(help="When it ends, such as 2027-01-31T00:00:00Z.")] = None,
    data_dir: Running = None,
    as_json: AsJson = False,
) -> None:
    """Make a key. It is shown this once: what is stored does not tell it.

    Example: embedding-studio keys create --role search --collection shop --rate 50
    """
    from embedding_studio.kernel.time import read_time
    from embedding_studio.keys import create_key as run

    made = run(
        settings_of(data_dir),
        _role(role),
        name=name,
        collections=collection or None,
        rate=rate,
        expires_at=read_time(expires, "--expires") if expires else None,
    )
    _tell(asyncio.run(made), as_json=as_json)


@keys.command("list")
def list_keys(data_dir: Running = None, as_json: AsJson = False) -> None:
    """List keys, those that have ended too.

    Example: embedding-studio keys list --json
    """
    from msgspec import to_builtins

    from embedding_studio.keys import list_keys as run

    found = [to_builtins(one) for one in asyncio.run(run(settings_of(data_dir)))]
    if as_json:
        console.print_json(json.dumps(found))
    else:
        print_rows([_row(one) for one in found], as_json=False)


@keys.command("rotate")
def rotate_key(
    key_id: KeyId,
    grace: Annotated[
        float | None,
        typer.Option(min=0, max=2_592_000, help="Seconds that the former secret works; the settings' if not given."),
    ] = None,
    data_dir: Running = None,
    as_json: AsJson = False,
) -> None:
    """Give a key another secret, which is shown this once; the former one works for some time.

    Example: embedding-studio keys rotate 0123456789abcdef --grace 3600
    """
    from embedding_studio.keys import rotate_key as run

    _tell(asyncio.run(run(settings_of(data_dir), key_id, grace=grace)), as_json=as_json)


@keys.command("revoke")
def revoke_key(key_id: KeyId, data_dir: Running = None, as_json: AsJson = False) -> None:
    """End a key; every process refuses it within seconds.

    Example: embedding-studio keys revoke 0123456789abcdef
    """
    from msgspec import to_builtins

    from embedding_studio.keys import revoke_key as run

    revoked = to_builtins(asyncio.run(run(settings_of(data_dir), key_id)))
    if as_json:
        console.print_json(json.dumps(revoked))
    else:
        console.print(f"{key_id} was revoked at {revoked['revoked_at']}", highlight=False)


@commands.command()
def audit(
    key_id: Annotated[str | None, typer.Option("--key", help="Id of a key; all if not given.")] = None,
    since: Annotated[str | None, typer.Option(help="From this time on, such as 2026-01-31T12:00:00Z.")] = None,
    until: Annotated[str | None, typer.Option(help="Before this time.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="How many entries, the newest.")] = 100,
    data_dir: Running = None,
    as_json: AsJson = False,
) -> None:
    """Show what administrators did and what was refused, newest first.

    Example: embedding-studio audit --since 2026-01-01T00:00:00Z --json
    """
    from msgspec import to_builtins

    from embedding_studio.kernel.time import read_time
    from embedding_studio.keys import list_audit

    found = list_audit(
        settings_of(data_dir),
        key_id=key_id,
        since=read_time(since, "--since") if since else None,
        until=read_time(until, "--until") if until else None,
        limit=limit,
    )
    entries = [to_builtins(one) for one in asyncio.run(found)]
    if as_json:
        console.print_json(json.dumps(entries))
    else:
        shown = ("at", "key_id", "action", "target", "status", "origin")
        print_rows([{name: _text(entry[name]) for name in shown} for entry in entries], as_json=False)


def _role(word: str) -> "Role":
    match word:
        case "search" | "ingest" | "admin" | "metrics":
            return word
        case _:
            raise typer.BadParameter("must be search, ingest, admin or metrics", param_hint="--role")


def _tell(made: "NewKeyView", *, as_json: bool) -> None:
    from msgspec import to_builtins

    if as_json:
        console.print_json(json.dumps(to_builtins(made)))
        return
    console.print(f"Key {made.id}, shown this once:", highlight=False)
    console.print(made.key, soft_wrap=True, highlight=False, markup=False)


def _row(key: dict[str, Any]) -> dict[str, str]:
    ended = "revoked" if key["revoked_at"] else ""
    shown = ("id", "name", "role", "collections", "rate", "created_at", "expires_at")
    return {**{name: _text(key[name]) for name in shown}, "state": ended}


def _text(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "" if value is None else str(value)
