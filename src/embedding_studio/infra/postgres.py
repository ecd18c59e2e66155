"""The PostgreSQL pool: codecs, time limits and nothing about tables."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

import asyncpg
import msgspec
from asyncpg.pool import PoolConnectionProxy
from pgvector import Vector
from prometheus_client import Gauge
from pydantic import BaseModel, Field, SecretStr

from embedding_studio.infra.tracing import is_traced, note_span

__all__ = [
    "APPLICATION",
    "Connection",
    "Pool",
    "PostgresSettings",
    "Record",
    "open_connection",
    "open_pool",
    "quote",
    "set_for_session",
]

if TYPE_CHECKING:
    Pool: TypeAlias = asyncpg.Pool[asyncpg.Record]
    Record: TypeAlias = asyncpg.Record
    Connection: TypeAlias = asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]
else:
    Pool = asyncpg.Pool
    Record = asyncpg.Record
    Connection = asyncpg.Connection

APPLICATION = "embedding-studio"
"""What the connections of the product call themselves."""

# `vector` is an extension's type: before the server has loaded it, its parameters are accepted as placeholders.
_SERVER_SETTINGS: Mapping[str, str] = {
    "application_name": APPLICATION,
    "client_connection_check_interval": "2s",  # a long statement ends soon after the process that asked for it
    "hnsw.ef_search": "100",
    "hnsw.iterative_scan": "strict_order",
    "jit": "off",
}
_TRACED_SQL = 2_000
_WATCH_EVERY_S = 5.0
_CANCEL_WITHIN = 1.0  # seconds
_CONNECTIONS = Gauge(
    "embedding_studio_postgres_connections",
    "Connections to PostgreSQL, looked at every five seconds",
    ("pool", "state"),
    multiprocess_mode="livesum",
)
_LIMIT = Gauge(
    "embedding_studio_postgres_connections_limit",
    "Connections to PostgreSQL that may be open",
    ("pool",),
    multiprocess_mode="livesum",
)
_NONE: Mapping[str, str] = {}


class PostgresSettings(BaseModel):
    """Where vectors, items and the catalog live."""

    dsn: SecretStr = Field(
        description="postgresql://user:password@host:port/database?sslmode=verify-full&sslrootcert=file"
    )
    replica_dsn: SecretStr | None = Field(default=None, description="of a replica that searches may read from")
    replica_lag: float = Field(
        default=5.0, gt=0, le=600, description="seconds; further behind, the replica is not read from"
    )
    pool_size: int = Field(default=10, ge=2, le=200)
    connect_timeout: float = Field(default=5.0, gt=0, description="seconds")
    statement_timeout: float = Field(default=30.0, gt=0, description="seconds")
    acquire_timeout: float = Field(default=10.0, gt=0, description="seconds a request waits for a free connection")


class _Connection(asyncpg.Connection):
    """Remembers what was set for its session."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.session: dict[str, str] = {}


async def set_for_session(connection: Connection, name: str, value: str) -> None:
    """Make a setting of the connection's session, unless it is made already; not inside a transaction."""
    session: dict[str, str] = connection.session  # type: ignore[union-attr]  # every connection of our pools has it
    if session.get(name) != value:
        await connection.execute("SELECT set_config($1, $2, false)", name, value)
        session[name] = value


class _Pool(Pool):
    """A pool nobody waits for without end: past `acquire_timeout` seconds a wait for a connection is a TimeoutError.

    Whoever gives up a statement waits a second more for the server to cancel it; then the connection is closed.
    """

    def __init__(self, dsn: str, *, acquire_timeout: float, **options: Any) -> None:
        super().__init__(
            dsn,
            min_size=2,
            max_queries=50_000,
            max_inactive_connection_lifetime=300.0,
            loop=None,
            connection_class=_Connection,
            record_class=asyncpg.Record,
            **options,
        )
        self._acquire_timeout = acquire_timeout

    def acquire(self, *, timeout: float | None = None) -> Any:
        return super().acquire(timeout=timeout or self._acquire_timeout)

    def release(self, connection: Any, *, timeout: float | None = None) -> Any:
        return super().release(connection, timeout=timeout or _CANCEL_WITHIN)


@asynccontextmanager
async def open_connection(settings: PostgresSettings) -> AsyncIterator[Connection]:
    """Yield a connection of its own to the server, for who needs no pool."""
    connection = await asyncpg.connect(settings.dsn.get_secret_value(), timeout=settings.connect_timeout)
    try:
        yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def open_pool(
    settings: PostgresSettings, *, name: str = "other", server_settings: Mapping[str, str] = _NONE
) -> AsyncIterator[Pool]:
    """Yield a pool whose connections read and write `vector` as numpy arrays and `jsonb` as Python values.

    Connections are not reset on release, which saves a round trip: whoever changes a session setting uses
    `SET LOCAL` or takes it back.

    Args:
        settings: Where the server is, and the pool's size.
        name: As metrics call it.
        server_settings: What these connections have otherwise than those of other pools.
    """
    pool = await _Pool(
        settings.dsn.get_secret_value(),
        acquire_timeout=settings.acquire_timeout,
        max_size=settings.pool_size,
        timeout=settings.connect_timeout,
        command_timeout=settings.statement_timeout,
        server_settings={**_SERVER_SETTINGS, **server_settings},
        init=_set_codecs,
        reset=_keep,
    )
    watching = asyncio.create_task(_watch(pool, name))
    try:
        yield pool
    finally:
        watching.cancel()
        pool.terminate()


async def _watch(pool: Pool, name: str) -> None:
    """Show every few seconds how many connections are in use."""
    used, idle = (_CONNECTIONS.labels(name, state) for state in ("used", "idle"))
    _LIMIT.labels(name).set(pool.get_max_size())
    while True:
        idle.set(pool.get_idle_size())
        used.set(pool.get_size() - pool.get_idle_size())
        await asyncio.sleep(_WATCH_EVERY_S)


async def _set_codecs(connection: Connection) -> None:
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        encoder=lambda value: msgspec.json.encode(value).decode(),
        decoder=msgspec.json.decode,
    )
    await connection.set_type_codec(
        "vector",
        schema="public",
        format="binary",
        encoder=lambda array: Vector(array).to_binary(),
        decoder=lambda data: Vector.from_binary(data).to_numpy(),
    )
    if is_traced():
        connection.add_query_logger(_note_statement)


def _note_statement(done: asyncpg.connection.LoggedQuery) -> None:
    """Add a statement to the trace, without the values of its parameters."""
    verb = done.query.split(None, 1)[0].upper() if done.query.strip() else "statement"
    facts: dict[str, str | int | float] = {"db.system.name": "postgresql", "db.query.text": done.query[:_TRACED_SQL]}
    failure = type(done.exception).__name__ if done.exception else None
    note_span(verb, "client", done.elapsed, facts, failure=failure)


async def _keep(_connection: Any) -> None:
    """Leave a released connection as it is."""


def quote(identifier: str) -> str:
    """An identifier of our own catalog, quoted for SQL."""
    return '"' + identifier.replace('"', '""') + '"'
