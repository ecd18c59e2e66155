"""Facets: how often each value of a field occurs among the items that match."""

from collections.abc import Sequence
from typing import Any, TypeAlias

from embedding_studio.infra.postgres import Connection
from embedding_studio.vector_store.filters import parse_path
from embedding_studio.vector_store.sql import Parameters

__all__ = ["FacetValue", "facets"]

FacetValue: TypeAlias = tuple[Any, int]
"""A value, and how many of the items have it."""

_COUNT = """
    WITH field AS (
        SELECT n, string_to_array(name, '.') AS path FROM unnest({names}::text[]) WITH ORDINALITY f (name, n)
    ),
    whole AS (
        SELECT field.n, i.payload #> field.path AS value, count(*) FROM {source} CROSS JOIN field
        WHERE {where} GROUP BY 1, 2
    ),
    single AS (
        SELECT n, value, count FROM whole WHERE jsonb_typeof(value) <> 'array'
        UNION ALL SELECT n, member, count FROM whole CROSS JOIN LATERAL (
            SELECT DISTINCT jsonb_array_elements(
                CASE WHEN jsonb_typeof(value) = 'array' THEN value ELSE '[]' END
            ) AS member
        ) members
    ),
    counted AS (
        SELECT n, value, sum(count)::bigint AS count FROM single
        WHERE jsonb_typeof(value) IN ('boolean', 'number', 'string') GROUP BY n, value
    ),
    ranked AS (
        SELECT *, row_number() OVER (
            PARTITION BY n ORDER BY
            count DESC, jsonb_typeof(value), payload_number(value), (value #>> '{{}}') COLLATE "C"
        ) AS place FROM counted
    )
    SELECT n, value, count FROM ranked WHERE place <= {limit:d} ORDER BY n, place
"""


async def facets(
    connection: Connection,
    items_table: str,
    paths: Sequence[str],
    *,
    where_sql: str = "true",
    parameters: Parameters | None = None,
    from_sql: str | None = None,
    limit_values: int = 100,
) -> dict[str, Sequence[FacetValue]]:
    """Count the values of fields over the items that match, the most frequent first, all fields in one statement.

    An item counts once for each distinct member of an array. Objects, arrays in arrays and null are no values. Equally
    frequent ones come by type (boolean, number, string) and value.

    Args:
        connection: Runs the statement.
        items_table: The quoted name of the collection's items.
        paths: Dotted paths into the payload.
        where_sql: What holds for the items, which it calls `i`.
        parameters: What `where_sql` and `from_sql` bound.
        from_sql: Where items come from, each once, as `i`; the whole table if it is not given.
        limit_values: How many values of a field at most.

    Raises:
        InvalidError: A path is none.
    """
    for place, path in enumerate(paths):
        parse_path(path, f"facets[{place}]")
    names = list(dict.fromkeys(paths))
    bound = parameters or Parameters()
    source = from_sql or f"{items_table} i"
    statement = _COUNT.format(names=bound.bind(names), source=source, where=where_sql, limit=limit_values)
    values: dict[str, list[FacetValue]] = {name: [] for name in names}
    for row in await connection.fetch(statement, *bound.values):
        values[names[row["n"] - 1]].append((row["value"], row["count"]))
    return dict(values)
