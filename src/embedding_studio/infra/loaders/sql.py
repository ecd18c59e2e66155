"""Rows of a table in PostgreSQL, MySQL or MariaDB."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from embedding_studio.infra.loaders.extra import loaders_extra
from embedding_studio.infra.loaders.keys import Key, key_from, key_of
from embedding_studio.infra.loaders.records import RECORD_LIMIT, Cursor, Loaded, LoadFailure, is_id, printable
from embedding_studio.infra.loaders.retries import Retries
from embedding_studio.infra.loaders.rows import too_large
from embedding_studio.infra.loaders.sources import from_environment, text_of
from embedding_studio.infra.loaders.sql_errors import translated
from embedding_studio.infra.loaders.values import to_json
from embedding_studio.kernel.errors import InvalidError, NotFoundError, TooLargeError
from embedding_studio.kernel.storable import refuse_unstorable

__all__ = ["SqlRows", "Table"]

_TIMEOUT_S = 30.0
_CONNECT_S = 10
_DRIVERS = {"postgresql": "postgresql+asyncpg", "mysql": "mysql+asyncmy", "mariadb": "mariadb+asyncmy"}
# Times without a zone are taken for UTC, so the server has to mean UTC by them.
_CONNECT = {
    "postgresql": {"timeout": _CONNECT_S, "server_settings": {"timezone": "UTC", "application_name": "loader"}},
    "mysql": {"connect_timeout": _CONNECT_S, "init_command": "SET time_zone = '+00:00'"},
}

_Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Table:
    """What is read; see `sdk.loading.SqlLoader` for the attributes."""

    name: str
    schema: str | None
    key: str
    columns: tuple[str, ...]
    json_columns: tuple[str, ...]
    changed: str | None
    page: int

    @property
    def label(self) -> str:
        """The name as `source` has it."""
        return f"{self.schema}.{self.name}" if self.schema else self.name

    def rows(self) -> sa.Select[Any]:
        """All rows."""
        names = dict.fromkeys((self.key, *self.columns))
        everything: sa.ColumnElement[Any] = sa.literal_column("*")
        columns = [sa.column(name) for name in names] if self.columns else [everything]
        return sa.select(*columns).select_from(sa.table(self.name, schema=self.schema))


class SqlRows:
    """Reads a table in pages by its key, a short transaction each."""

    def __init__(self, url_env: str, table: Table, since: datetime | None, retries: Retries | None = None) -> None:
        self._url_env = url_env
        self._table = table
        self._since = since
        self._retries = retries or Retries()

    async def read(self, cursor: Cursor | None) -> AsyncGenerator[Loaded | LoadFailure]:
        """As `Loader.read`; rows that are inserted behind the place that was reached are read as well."""
        after = None if cursor is None else key_from(cursor, "cursor")
        async with self._engine() as engine:
            while rows := await self._rows(engine, self._page(engine, after)):
                for row in rows:
                    yield self._record(row)
                after = self._key(rows[-1])

    async def fetch(self, source: Mapping[str, Any]) -> bytes:
        """The row's payload as JSON."""
        label, kind, text = text_of(source, "table", "type", "key")
        if label != self._table.label:
            raise InvalidError.at("source.table", "is not the table of this loader")
        key = key_from({"type": kind, "key": text}, "source.key")
        async with self._engine() as engine:
            rows = await self._rows(engine, self._table.rows().where(sa.column(self._table.key) == key))
        if not rows:
            raise NotFoundError(f"the table {label} has no such row")
        data = msgspec.json.encode(self._payload(rows[0]))
        if len(data) > RECORD_LIMIT:
            raise TooLargeError(f"the row {too_large(RECORD_LIMIT)}")
        return data

    def _page(self, engine: AsyncEngine, after: Key | None) -> sa.Select[Any]:
        key: sa.ColumnElement[Any] = sa.column(self._table.key)
        page = self._table.rows().order_by(key).limit(self._table.page)
        if after is not None:
            page = page.where(key > after)
        if self._table.changed and self._since:
            utc = self._since.astimezone(UTC)
            page = page.where(
                sa.column(self._table.changed) >= (utc if engine.name == "postgresql" else utc.replace(tzinfo=None))
            )
        return page

    async def _rows(self, engine: AsyncEngine, query: sa.Select[Any]) -> Sequence[_Row]:
        return await self._retries.run(partial(self._try, engine, query))

    async def _try(self, engine: AsyncEngine, query: sa.Select[Any]) -> Sequence[_Row]:
        try:
            async with asyncio.timeout(_TIMEOUT_S), engine.connect() as connection:
                rows: Sequence[Any] = (await connection.execute(query)).mappings().all()
                return rows
        except Exception as error:
            raise translated(error, self._url_env, self._table.label) from error

    def _record(self, row: _Row) -> Loaded | LoadFailure:
        cursor = key_of(self._key(row))
        name = str(to_json(row[self._table.key]))
        try:
            if not is_id(name):
                raise InvalidError.at(
                    self._table.key, "must have 1 to 512 characters, none of them a control character"
                )
            payload = self._payload(row)
            refuse_unstorable(payload, "payload")
        except InvalidError as error:
            return LoadFailure(printable(f"{self._table.label}:{name}"), printable(error.detail), cursor)
        if len(msgspec.json.encode(payload)) > RECORD_LIMIT:
            return LoadFailure(printable(f"{self._table.label}:{name}"), too_large(RECORD_LIMIT), cursor)
        return Loaded(name, payload, {"table": self._table.label, **cursor}, cursor)

    def _key(self, row: _Row) -> Any:
        if self._table.key not in row:
            raise InvalidError.at("key", f"the table {self._table.label} has no column {self._table.key}")
        return row[self._table.key]

    def _payload(self, row: _Row) -> dict[str, Any]:
        return {name: self._value(name, value) for name, value in row.items() if name != self._table.key}

    def _value(self, column: str, value: Any) -> Any:
        try:
            parsed = column in self._table.json_columns and isinstance(value, (str, bytes))
            return msgspec.json.decode(value) if parsed else to_json(value)
        except (TypeError, ValueError) as error:
            raise InvalidError.at(column, str(error)) from error

    @asynccontextmanager
    async def _engine(self) -> AsyncIterator[AsyncEngine]:
        engine = _open(from_environment(self._url_env), self._url_env)
        try:
            yield engine
        finally:
            await engine.dispose()


def _open(url: str, name: str) -> AsyncEngine:
    """An engine with one connection, on the driver we have for the URL's kind of server."""
    try:
        parsed = sa.make_url(url)
        driver = _DRIVERS[parsed.get_backend_name()]
    except (ArgumentError, KeyError):  # their texts may hold the URL
        raise InvalidError(f"the variable {name} holds no URL of PostgreSQL, MySQL or MariaDB") from None
    options = _CONNECT["postgresql" if driver.startswith("postgresql") else "mysql"]
    with loaders_extra():
        return create_async_engine(
            parsed.set(drivername=driver),
            pool_size=1,
            max_overflow=0,
            pool_pre_ping=True,
            hide_parameters=True,
            connect_args=options,
        )
