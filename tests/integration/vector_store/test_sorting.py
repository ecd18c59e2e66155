"""Pages of a sorted listing, put together, are one full sort, whatever the payloads and the size of a page."""

from functools import cmp_to_key, partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from embedding_studio.infra.postgres import Connection, Record
from embedding_studio.vector_store.sorting import SortKey, after, key_values, order_by
from embedding_studio.vector_store.sql import Parameters
from studio import Studio

pytestmark = pytest.mark.anyio

LONG = "x" * 350
values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 2),
    st.sampled_from(
        [
            0.5,
            1.0,
            0.1 + 0.2,
            1e300,
            -0.0,
            2**62,
            5e-324,
            "",
            "a",
            "B",
            "10",
            "9",
            "é",
            "null",
            LONG,
            LONG + "a",
            LONG + "b",
        ]
    ),
    st.lists(st.integers(0, 1), max_size=2),
    st.dictionaries(st.sampled_from(["a", "b"]), st.integers(0, 1), max_size=2),
)
payloads = st.dictionaries(st.sampled_from(["a", "b"]), values)
rows = st.lists(st.tuples(payloads, st.sampled_from([-0.5, 0.0, 0.1, 0.1, 1e9])), max_size=12)
paths = st.sampled_from([("a",), ("b",), ("a", "a"), ("b", "0"), ("c",)])
orders = st.lists(st.builds(SortKey, paths, st.booleans()), max_size=4)

Row = tuple[Any, float]


async def select(
    connection: Connection,
    table: list[Row],
    keys: list[SortKey],
    last: tuple[list[Any], float, str] | None = None,
    limit: int = 1000,
) -> list[Record]:
    parameters = Parameters()
    behind = "true" if last is None else after(keys, last, parameters)
    read, ordered = key_values(keys, parameters), order_by(keys, parameters)
    payload, distance = parameters.bind([row[0] for row in table]), parameters.bind([row[1] for row in table])
    return await connection.fetch(
        f"SELECT b.item_id, b.distance, {read} AS keys FROM (SELECT chr(96 + n::int) AS item_id, payload, distance"
        f" FROM unnest({payload}::jsonb[], {distance}::float8[]) WITH ORDINALITY AS t (payload, distance, n)) b"
        f" JOIN LATERAL (SELECT b.payload) i ON true WHERE {behind} ORDER BY {ordered} LIMIT {limit}",
        *parameters.values,
    )


def value_at(payload: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        if isinstance(payload, dict):
            payload = payload.get(name)
        elif isinstance(payload, list) and name.isdigit() and int(name) < len(payload):
            payload = payload[int(name)]
        else:
            return None
    return payload


def rank(value: Any) -> Any:
    """Strings, numbers and booleans; the order of arrays and objects is PostgreSQL's own."""
    if value is None:
        return None
    kind = 2 if isinstance(value, bool) else 0 if isinstance(value, str) else 1
    return kind, value[:350] if isinstance(value, str) else float(value)


def compare(keys: list[SortKey], left: tuple[Row, str], right: tuple[Row, str]) -> int:
    for key in keys:
        one, other = (value_at(row[0], key.path) for row, _ in (left, right))
        if one is None or other is None:
            if one is not other:
                return 1 if one is None else -1
        elif rank(one) != rank(other):
            return -1 if (rank(one) < rank(other)) != key.descending else 1
    return -1 if (left[0][1], left[1]) < (right[0][1], right[1]) else 1


@given(table=rows, keys=orders, size=st.integers(1, 5))
@hypothesis_settings(max_examples=150)
async def test_pages_repeat_and_skip_nothing(studio: Studio, table: list[Row], keys: list[SortKey], size: int) -> None:
    async with studio.container.pool.acquire() as connection:
        whole = await select(connection, table, keys)
        assert len(whole) == len(table)
        paged: list[Record] = []
        last = None
        while page := await select(connection, table, keys, last, size):
            paged += page
            last = (page[-1]["keys"], page[-1]["distance"], page[-1]["item_id"])
        assert [row["item_id"] for row in paged] == [row["item_id"] for row in whole]


@given(table=rows, keys=orders)
@hypothesis_settings(max_examples=150)
async def test_the_order_is_that_of_python(studio: Studio, table: list[Row], keys: list[SortKey]) -> None:
    scalar = [
        ({name: value for name, value in payload.items() if not isinstance(value, list | dict)}, distance)
        for payload, distance in table
    ]
    named = [(row, chr(97 + n)) for n, row in enumerate(scalar)]
    expected = sorted(named, key=cmp_to_key(partial(compare, keys)))
    async with studio.container.pool.acquire() as connection:
        found = await select(connection, scalar, keys)
    assert [row["item_id"] for row in found] == [item_id for _, item_id in expected]
    read = [[rank(value_at(row[0], key.path)) for key in keys] for row, _ in expected]
    assert [[rank(value) for value in row["keys"]] for row in found] == read
