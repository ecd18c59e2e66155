"""Reading tables of a real PostgreSQL and a real MariaDB."""

import json
import traceback
from collections.abc import AsyncIterator
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from embedding_studio.infra.embedded import ServerUrls
from embedding_studio.infra.loaders import Loaded, LoadFailure
from embedding_studio.kernel.errors import ForbiddenError, InvalidError, NotFoundError, UnavailableError
from embedding_studio.sdk.loading import SqlLoader
from unit.infra.loaders.reading import assert_resumable, outline, read_all

pytestmark = [pytest.mark.anyio, pytest.mark.integration]

_DRIVERS = {"postgres": "postgresql+asyncpg", "mariadb": "mariadb+asyncmy"}


@pytest.fixture(params=["postgres", "mariadb"])
def url(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    servers: ServerUrls | str = request.getfixturevalue("urls" if request.param == "postgres" else "mariadb")
    url = servers if isinstance(servers, str) else servers.postgres
    monkeypatch.setenv("SHOP_URL", url)
    return url


@pytest.fixture
async def database(url: str) -> AsyncIterator[AsyncEngine]:
    parsed = sa.make_url(url)
    driver = _DRIVERS["postgres" if parsed.get_backend_name() == "postgresql" else "mariadb"]
    engine = create_async_engine(parsed.set(drivername=driver))
    yield engine
    await run(engine, 'DROP TABLE IF EXISTS "Order Items"')
    await engine.dispose()


async def run(engine: AsyncEngine, *statements: str) -> None:
    async with engine.begin() as connection:
        for statement in statements:
            quoted = statement if engine.name == "postgresql" else statement.replace('"', "`")
            await connection.execute(sa.text(quoted))


def part(**options: Any) -> SqlLoader:
    return SqlLoader("SHOP_URL", "Order Items", **options)


@pytest.mark.parametrize(
    ("kind", "keys"),
    [
        ("bigint", [-(2**62), -1, 0, 7, 2**62]),
        ("varchar(50)", ["", "Zebra", "a'b", "z%s", "\N{SNOWMAN}"]),
        ("date", ["2024-01-01", "2024-01-02", "2024-02-01"]),
        ("decimal(10,2)", ["-1.50", "1.25", "1.50"]),
    ],
)
async def test_a_key_of_any_kind_is_paged_and_resumed(database: AsyncEngine, kind: str, keys: list[Any]) -> None:
    values = ", ".join("('{}', 'x')".format(str(key).replace("'", "''")) for key in keys)
    await run(
        database,
        f'CREATE TABLE "Order Items" (id {kind} PRIMARY KEY, "the name" text)',
        f'INSERT INTO "Order Items" VALUES {values}',
    )

    records = await assert_resumable(part(page=2).build({}))

    assert len(records) == len(keys)
    found = {one.id for one in records}
    assert "Order Items:" in found if "" in keys else len(found) == len(keys)


async def test_a_source_changes_while_it_is_read(database: AsyncEngine) -> None:
    await run(database, 'CREATE TABLE "Order Items" (id int PRIMARY KEY)')
    await run(database, 'INSERT INTO "Order Items" VALUES ' + ", ".join(f"({number})" for number in range(0, 100, 2)))
    seen = []

    async for record in part(page=10).build({}).read(None):
        seen.append(int(record.id))
        if len(seen) == 15:
            await run(database, 'DELETE FROM "Order Items" WHERE id < 5', 'INSERT INTO "Order Items" VALUES (99)')

    assert seen == [*range(0, 100, 2), 99]


async def test_types_that_json_lacks_are_converted(database: AsyncEngine) -> None:
    zone = "timestamptz" if database.name == "postgresql" else "timestamp"
    binary = "bytea" if database.name == "postgresql" else "blob"
    await run(
        database,
        f'CREATE TABLE "Order Items" (id int PRIMARY KEY, price decimal(30,2), big decimal(30,20), day date,'
        f" moment {zone}, data {binary}, attributes json, nothing text)",
        "SET time_zone = '+00:00'" if database.name != "postgresql" else "SET timezone TO 'UTC'",
        """INSERT INTO "Order Items" VALUES (1, 12.99, 0.12345678901234567890, '2024-02-29', '2024-02-29 12:30:00',
        'abc', '{}', NULL)""",
    )

    (record,) = await read_all(part(json_columns=("attributes",)).build({}))

    assert outline([record]) == [
        (
            "1",
            {
                "price": 12.99,
                "big": "0.12345678901234567890",
                "day": "2024-02-29",
                "moment": "2024-02-29T12:30:00Z",
                "data": "YWJj",
                "attributes": {},
                "nothing": None,
            },
        )
    ]
    assert json.dumps(record.cursor)


async def test_since_reads_what_changed_later(database: AsyncEngine) -> None:
    zone = "timestamptz" if database.name == "postgresql" else "timestamp"
    await run(
        database,
        f'CREATE TABLE "Order Items" (id int PRIMARY KEY, changed {zone})',
        "SET time_zone = '+00:00'" if database.name != "postgresql" else "SET timezone TO 'UTC'",
        """INSERT INTO "Order Items" VALUES (1, '2024-01-01 00:00:00'), (2, '2024-01-02 00:00:00')""",
    )

    records = await read_all(part(changed="changed", columns=("id",)).build({"since": "2024-01-02T01:00:00+01:00"}))

    assert outline(records) == [("2", {})]


async def test_fetch_gives_a_declared_row_alone(database: AsyncEngine) -> None:
    await run(database, 'CREATE TABLE "Order Items" (id int PRIMARY KEY, name text)')
    await run(database, """INSERT INTO "Order Items" VALUES (1, 'Sofa')""")
    loader = part().build({})
    (record,) = await read_all(loader)

    assert isinstance(record, Loaded)
    assert record.source == {"table": "Order Items", "type": "int", "key": "1"}
    assert json.loads(await loader.fetch(record.source)) == {"name": "Sofa"}
    with pytest.raises(NotFoundError):
        await loader.fetch({**record.source, "key": "2"})
    for change in ({"table": "users"}, {"key": "1 OR 1=1"}, {"type": "eval"}, {"where": "true"}):
        with pytest.raises(InvalidError, match="source"):
            await loader.fetch({**record.source, **change})


async def test_a_row_that_cannot_be_stored_is_told(database: AsyncEngine) -> None:
    await run(database, 'CREATE TABLE "Order Items" (id varchar(20) PRIMARY KEY, name text)')
    await run(database, """INSERT INTO "Order Items" VALUES ('', 'no id'), ('b', 'Sofa')""")

    records = await assert_resumable(part().build({}))

    assert [type(one) for one in records] == [LoadFailure, Loaded]


@pytest.mark.usefixtures("database")
async def test_a_table_that_is_not_there_is_an_error() -> None:
    with pytest.raises(NotFoundError, match="Order Items"):
        await read_all(part().build({}))


async def test_a_column_that_is_not_there_is_an_error(database: AsyncEngine) -> None:
    await run(database, 'CREATE TABLE "Order Items" (id int PRIMARY KEY)')

    with pytest.raises(InvalidError, match="columns"):
        await read_all(part(columns=("nothing",)).build({}))


async def test_the_url_is_never_shown(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = sa.make_url(url).set(username="nobody", password="a-wrong-secret")
    for value in (wrong.render_as_string(hide_password=False), "sqlite:///a-wrong-secret", "a-wrong-secret://"):
        monkeypatch.setenv("SHOP_URL", value)
        with pytest.raises((ForbiddenError, InvalidError), match="SHOP_URL") as refusal:
            await read_all(part().build({}))
        assert "a-wrong-secret" not in "".join(traceback.format_exception(refusal.value))


async def test_a_variable_that_is_not_set_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SHOP_URL", raising=False)

    with pytest.raises(UnavailableError, match="SHOP_URL"):
        await read_all(part().build({}))
