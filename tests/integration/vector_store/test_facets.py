"""Facets agree with a Counter over the items that match."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from embedding_studio.kernel.errors import InvalidError
from embedding_studio.vector_store import parse_filter
from embedding_studio.vector_store.facets import facets
from embedding_studio.vector_store.sql import Parameters, where
from studio import Studio

pytestmark = pytest.mark.anyio

scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 2), st.sampled_from([0.5, 1.0, "", "a", "B", "10", "9", "é", "1", "true"])
)
members = st.one_of(scalars, st.lists(scalars, max_size=1), st.dictionaries(st.just("a"), scalars))
values = st.one_of(scalars, st.lists(members, max_size=4), st.dictionaries(st.sampled_from(["a", "b"]), scalars))
payloads = st.dictionaries(st.sampled_from(["a", "b"]), values)
PATHS = ["a", "b", "a.b", "b.0", "missing"]


def kind_of(value: Any) -> str:
    return "boolean" if isinstance(value, bool) else "string" if isinstance(value, str) else "number"


def value_at(payload: Any, path: str) -> Any:
    for name in path.split("."):
        if isinstance(payload, dict):
            payload = payload.get(name)
        elif isinstance(payload, list) and name.isdigit() and int(name) < len(payload):
            payload = payload[int(name)]
        else:
            return None
    return payload


def expected(rows: list[Any], path: str) -> list[tuple[str, Any, int]]:
    counter: Counter[tuple[str, Any]] = Counter()
    for row in rows:
        value = value_at(row, path)
        there = value if isinstance(value, list) else [value]
        counter.update({(kind_of(one), one) for one in there if isinstance(one, str | int | float)})
    ordered = sorted(counter.items(), key=lambda one: (-one[1], *one[0]))
    return [(kind, value, count) for (kind, value), count in ordered]


@given(rows=st.lists(payloads, max_size=10))
@hypothesis_settings(max_examples=200)
async def test_counts_are_those_of_a_counter(studio: Studio, rows: list[Any]) -> None:
    parameters = Parameters()
    source = f"unnest({parameters.bind(rows)}::jsonb[]) i (payload)"
    async with studio.container.pool.acquire() as connection:
        found = await facets(connection, "", PATHS, from_sql=source, parameters=parameters)
    assert list(found) == PATHS
    for path in PATHS:
        assert [(kind_of(value), value, count) for value, count in found[path]] == expected(rows, path)


async def test_facets_count_what_matches_and_stop_at_a_limit(studio: Studio) -> None:
    rows = [{"brand": f"b{n % 5}", "size": n, "tags": ["all", "all", f"t{n % 2}"]} for n in range(20)]
    parameters = Parameters()
    restriction = where(parse_filter({"field": "size", "lt": 11}), parameters)
    only = parameters.bind([f"i{n}" for n in range(1, 20)])
    async with studio.container.pool.acquire() as connection, connection.transaction():
        await connection.execute("CREATE TEMP TABLE items_facets (id text, payload jsonb NOT NULL) ON COMMIT DROP")
        await connection.executemany(
            "INSERT INTO items_facets VALUES ($1, $2)", [(f"i{n}", row) for n, row in enumerate(rows)]
        )
        found = await facets(
            connection,
            '"items_facets"',
            ["brand", "tags", "brand"],
            where_sql=f"{restriction} AND i.id = ANY({only}::text[])",
            parameters=parameters,
            limit_values=2,
        )
        assert (await facets(connection, '"items_facets"', ["brand"]))["brand"][0] == ("b0", 4)
    assert found == {"brand": [("b0", 2), ("b1", 2)], "tags": [("all", 10), ("t0", 5)]}


async def test_a_path_that_is_none_is_named(studio: Studio) -> None:
    async with studio.container.pool.acquire() as connection:
        with pytest.raises(InvalidError) as caught:
            await facets(connection, '"items_1"', ["a", "a..b"])
    assert caught.value.errors[0].field == "facets[1]"
