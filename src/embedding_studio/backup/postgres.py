"""PostgreSQL, by its own `pg_dump` and `pg_restore`."""

import asyncio
import os
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from embedding_studio.infra.embedded import postgres_program
from embedding_studio.infra.postgres import Connection, PostgresSettings, open_connection
from embedding_studio.kernel.errors import ConflictError, UnavailableError

__all__ = ["clear_database", "dump_database", "is_database_empty", "others_at_work", "restore_database"]

_JOBS = min(4, os.cpu_count() or 1)
_BUILD_MEMORY = "512MB"
_TAIL = 2_000
_PASSWORD = "password="  # noqa: S105  # the option's name

_DROPPED = {"r": "TABLE", "p": "TABLE", "S": "SEQUENCE", "v": "VIEW", "m": "MATERIALIZED VIEW"}
_OURS = """
    FROM {catalog} o JOIN pg_namespace n ON n.oid = o.{prefix}namespace AND n.nspname = 'public'
    WHERE NOT EXISTS (
        SELECT FROM pg_depend d WHERE d.objid = o.oid AND d.deptype IN ('e', 'i') AND d.refobjid <> o.oid
    )
"""
_RELATIONS = "SELECT o.oid::regclass::text AS name, o.relkind::text AS kind" + _OURS.format(
    catalog="pg_class", prefix="rel"
)
_FUNCTIONS = "SELECT o.oid::regprocedure::text AS name" + _OURS.format(catalog="pg_proc", prefix="pro")


async def dump_database(settings: PostgresSettings, file: Path) -> int:
    """Write the database as of one moment; returns the server's major version.

    Raises:
        UnavailableError: There is no `pg_dump` as new as the server, or it failed.
    """
    server = await _server(settings)
    program = postgres_program("pg_dump", server)
    options = ("--format=custom", "--no-owner", "--no-privileges", "--no-comments", f"--file={file}")
    await _run(program, settings, *options)
    return server


async def restore_database(settings: PostgresSettings, file: Path, *, made_by: int) -> None:
    """Bring a dump into an empty database; indexes are built anew, and so are statistics, which no dump has.

    Raises:
        ConflictError: The server is older than the one that the dump is of.
        UnavailableError: There is no `pg_restore` as new as the server, or it failed.
    """
    server = await _server(settings)
    if server < made_by:
        raise ConflictError(f"the backup is of PostgreSQL {made_by}, the server is {server}: restore into a newer one")
    program = postgres_program("pg_restore", server)
    options = ("--exit-on-error", "--no-owner", "--no-privileges", f"--jobs={_JOBS}")
    await _run(program, settings, *options, f"--dbname={_database(settings)}", str(file))
    async with open_connection(settings) as connection:
        await connection.execute("ANALYZE")


async def is_database_empty(connection: Connection) -> bool:
    """Whether the schema `public` holds nothing but what extensions brought."""
    return not await connection.fetch(f"{_RELATIONS} LIMIT 1")


async def others_at_work(connection: Connection, name: str) -> int:
    """How many connections of this application name there are to the database."""
    count: int = await connection.fetchval(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = $1", name
    )
    return count


async def clear_database(connection: Connection) -> None:
    """Drop every table and function of `public` but those of extensions."""
    async with connection.transaction():
        for row in await connection.fetch(f"{_RELATIONS} AND o.relkind::text = ANY($1)", list(_DROPPED)):
            await connection.execute(f"DROP {_DROPPED[row['kind']]} IF EXISTS {row['name']} CASCADE")
        for row in await connection.fetch(_FUNCTIONS):
            await connection.execute(f"DROP FUNCTION IF EXISTS {row['name']} CASCADE")


async def _server(settings: PostgresSettings) -> int:
    async with open_connection(settings) as connection:
        return connection.get_server_version().major


def _database(settings: PostgresSettings) -> str:
    """The DSN without its password: arguments can be read by all users of a machine."""
    url = urlsplit(settings.dsn.get_secret_value())
    user, _, place = url.netloc.rpartition("@")
    name = user.partition(":")[0]
    query = "&".join(one for one in url.query.split("&") if not one.startswith(_PASSWORD))
    return urlunsplit(url._replace(netloc=f"{name}@{place}" if name else place, query=query))


def _password(settings: PostgresSettings) -> str | None:
    """Of the DSN, where it stands before the host or among the options."""
    url = urlsplit(settings.dsn.get_secret_value())
    among = (one.removeprefix(_PASSWORD) for one in url.query.split("&") if one.startswith(_PASSWORD))
    password = url.password or next(among, None)
    return unquote(password) if password else None


async def _run(program: Path, settings: PostgresSettings, *options: str) -> None:
    password = _password(settings)
    secret = {"PGPASSWORD": password} if password else {}
    tuning = {"PGOPTIONS": f"-c maintenance_work_mem={_BUILD_MEMORY}", "PGAPPNAME": "embedding-studio-backup"}
    target = () if any(one.startswith("--dbname") for one in options) else (f"--dbname={_database(settings)}",)
    process = await asyncio.create_subprocess_exec(
        program,
        *target,
        *options,
        env={**os.environ, **tuning, **secret},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        _, errors = await process.communicate()
    except asyncio.CancelledError:
        process.kill()
        await process.wait()
        raise
    if process.returncode != 0:
        raise UnavailableError(f"{program.name} failed: {errors.decode(errors='replace')[-_TAIL:].strip()}")
