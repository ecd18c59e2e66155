"""Each kind of declared field has an index, and its operators are answered from it."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from embedding_studio.infra.postgres import Connection
from embedding_studio.kernel.ids import new_id
from embedding_studio.sdk import FieldKind
from embedding_studio.vector_store import parse_filter
from embedding_studio.vector_store.payload_indexes import definitions
from embedding_studio.vector_store.sql import Parameters, condition, where
from studio import Studio

pytestmark = pytest.mark.anyio

FIELDS: dict[str, FieldKind] = {"brand": "keyword", "price": "number", "made.at": "time", "it's": "text"}
ROWS = 20_000
GENERATED = f"""
    SELECT 'i' || n, jsonb_build_object(
        'brand', 'b' || n % 200, 'price', n % 1000, 'tags', jsonb_build_array('t' || n % 100, 'u' || n % 50),
        'made', jsonb_build_object(
            'at', to_char(timestamp '2020-01-01' + n * interval '1 second', 'YYYY-MM-DD"T"HH24:MI:SSZ')
        ),
        'it''s', 'The oak tables of house number ' || n % 300
    ) FROM generate_series(1, {ROWS}) n
"""
ODD = [
    {"brand": "x" * 9_000, "price": "y" * 9_000, "made": {"at": "z" * 9_000}, "it's": {"a": ["w" * 9_000]}},
    {"brand": ["x" * 9_000], "price": [1], "made": [{"at": 1}], "it's": 7},
    {"brand": None, "price": 1e308, "made": {"at": "2020-13-01T00:00:00Z"}, "it's": "a b " * 100_000},
    {"it's": " ".join(f"w{n}" for n in range(200_000))},
]


@pytest.fixture(scope="module")
async def connection(studio: Studio) -> AsyncIterator[Connection]:
    async with studio.container.pool.acquire() as connection:
        yield connection


@pytest.fixture(scope="module")
async def table(connection: Connection) -> AsyncIterator[str]:
    name = f"items_{new_id()}"
    await connection.execute(f'CREATE TABLE "{name}" (id text COLLATE "C" PRIMARY KEY, payload jsonb NOT NULL)')
    await connection.execute(f'INSERT INTO "{name}" {GENERATED}')
    for index, definition in definitions(f'"{name}"', FIELDS, "english").items():
        await connection.execute(f'CREATE INDEX "{index}" ON "{name}" {definition}')
    await connection.executemany(f'INSERT INTO "{name}" VALUES ($1, $2)', [(f"o{n}", row) for n, row in enumerate(ODD)])
    await connection.execute(f'ANALYZE "{name}"')
    yield name
    await connection.execute(f'DROP TABLE "{name}"')


@pytest.mark.parametrize(
    ("leaf", "kinds"),
    [
        ({"field": "brand", "eq": "b7"}, {"payload"}),
        ({"field": "made.at", "eq": "2020-01-01T00:00:01Z"}, {"payload"}),
        ({"field": "brand", "in": ["b7", "b8"]}, {"payload"}),
        ({"field": "tags", "any": ["t7", "t8"]}, {"payload"}),
        ({"field": "tags", "all": ["t7", "u7"]}, {"payload"}),
        ({"field": "brand", "prefix": "b19"}, {"keyword"}),
        ({"field": "price", "gte": 10, "lt": 11.5}, {"number"}),
        ({"field": "made.at", "lt": "2020-01-01T00:01:00+00:00"}, {"time"}),
        ({"field": "it's", "match": "table 17"}, {"text"}),
        ({"field": "it's", "phrase": "number 17"}, {"text"}),
        ({"or": [{"field": "brand", "eq": "b7"}, {"field": "price", "gt": 998}]}, {"payload", "number"}),
        ({"and": [{"field": "price", "gt": 998}, {"not": {"field": "brand", "eq": "b199"}}]}, {"number"}),
        ({"not": {"not": {"field": "brand", "eq": "b7"}}}, {"payload"}),
    ],
)
async def test_operators_are_answered_from_an_index(
    connection: Connection, table: str, leaf: dict[str, Any], kinds: set[str]
) -> None:
    parameters, exact = Parameters(), Parameters()
    select = f'SELECT id FROM "{table}" i WHERE {where(parse_filter(leaf), parameters)}'
    plan = "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN {select}", *parameters.values))
    assert {kind for kind in ("payload", "keyword", "number", "time", "text") if f"{table}_{kind}" in plan} == kinds, (
        plan
    )
    found = {row[0] for row in await connection.fetch(select, *parameters.values)}
    every = f'SELECT id FROM "{table}" i WHERE {condition(parse_filter(leaf), exact)}'
    async with connection.transaction():
        await connection.execute("SET LOCAL enable_indexscan = off; SET LOCAL enable_bitmapscan = off")
        assert {row[0] for row in await connection.fetch(every, *exact.values)} == found != set()
