"""A query, and the pieces of SQL that all ways to answer it are made of."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from embedding_studio.infra.postgres import Connection, Record, set_for_session
from embedding_studio.vector_store.bm25 import Matches
from embedding_studio.vector_store.domain import Collection, Hit, Vector
from embedding_studio.vector_store.filters import Filter
from embedding_studio.vector_store.sorting import SortKey
from embedding_studio.vector_store.sql import Parameters, where
from embedding_studio.vector_store.tables import items_table, parts_table

__all__ = [
    "Query",
    "best_parts",
    "by_id",
    "hit_of",
    "hits_of",
    "of_items",
    "page_head",
    "parts_of",
    "plan_anew",
    "where_all",
    "with_payloads",
    "within_distance",
]


@dataclass(frozen=True, slots=True)
class Query:
    """What to find: at most one of vector and matches ranks, conditions restrict, sort keys come before the ranking.

    Attributes:
        vector: Rank by the distance to it; a smaller one is better.
        matches: Find these parts only, and rank by their scores; a hit's distance is the score with its sign turned.
        max_distance: Leave out what is further from the vector.
        only: Ids that alone may be found; None: any.
        excluded: Ids that must not be found.
        after: Sort values, distance and id of the last hit of the page before.
        payloads: Whether hits come with theirs, which cost more than all else of a hit; if not, with empty ones.
    """

    vector: Vector | None = None
    matches: Matches | None = None
    filter: Filter | None = None
    max_distance: float | None = None
    only: Sequence[str] | None = None
    excluded: Sequence[str] = ()
    sort: tuple[SortKey, ...] = ()
    after: tuple[Sequence[Any], float, str] | None = None
    payloads: bool = True


async def plan_anew(connection: Connection, query: Query) -> None:
    """Have statements planned for their values: paths of fields are parameters, and indexes are on paths."""
    if query.filter is not None or query.sort:
        await set_for_session(connection, "plan_cache_mode", "force_custom_plan")


def page_head(
    collection: Collection, query: Query, parameters: Parameters, *, near: str, limit: int, counted: str = ""
) -> str:
    """What follows WITH: the page of items among the parts that `near` selects, beside how many these are."""
    conditions = within_distance(query, "b.distance", parameters)
    return (
        f"near AS MATERIALIZED ({near}), best AS MATERIALIZED ({best_parts('near')}),"
        f" page AS (SELECT * FROM best b {where_all(conditions)} ORDER BY b.distance, b.item_id LIMIT {limit:d})"
        f" SELECT counted.*, page.*, NULL::jsonb AS keys FROM (SELECT {counted}"
        " (SELECT count(*) FROM near) AS parts, (SELECT count(*) FROM best) AS items) counted"
        f" LEFT JOIN ({with_payloads(query, 'page', items_table(collection.id))}) page ON true"
        " ORDER BY page.distance, page.item_id"
    )


def with_payloads(query: Query, hits: str, items: str) -> str:
    """The hits of a relation with what the query wants of their payloads."""
    if not query.payloads:
        return f"SELECT b.*, NULL::jsonb AS payload FROM {hits} b"
    return f"SELECT b.*, i.payload FROM {hits} b JOIN {items} i ON i.id = b.item_id"


def best_parts(relation: str) -> str:
    """Each item of the relation with its best part, the first of those that are equally good."""
    return (
        "SELECT item_id, best[1] AS distance, best[2]::int AS part_no FROM"
        f" (SELECT item_id, min(ARRAY[distance, part_no]) AS best FROM {relation} GROUP BY item_id) g"
    )


def of_items(collection: Collection, query: Query, parameters: Parameters) -> list[str]:
    """Conditions on `i`."""
    filters = [where(query.filter, parameters, language=collection.language)] if query.filter else []
    return [*filters, *by_id(query, "i.id", parameters)]


def by_id(query: Query, column: str, parameters: Parameters) -> list[str]:
    """The condition that ids in the column are asked for and not excluded."""
    named = [] if query.only is None else [f"{column} = ANY({parameters.bind(list(query.only))}::text[])"]
    if query.excluded:
        named.append(f"{column} <> ALL({parameters.bind(list(query.excluded))}::text[])")
    return named


def within_distance(query: Query, distance: str, parameters: Parameters) -> list[str]:
    """The condition of the query's `max_distance`."""
    return [] if query.max_distance is None else [f"{distance} <= {parameters.bind(query.max_distance)}::float8"]


def parts_of(collection: Collection) -> str:
    """The table of the parts that searches of the collection read."""
    return parts_table(collection.id, collection.index_version)


def where_all(conditions: Sequence[str]) -> str:
    """WHERE, if there are conditions."""
    return f"WHERE {' AND '.join(conditions)}" if conditions else ""


def hits_of(rows: Sequence[Record]) -> list[Hit]:
    """The hits of rows that hold one: a page without hits is one row that says how many parts there are."""
    return [hit_of(row) for row in rows if row["item_id"] is not None]


def hit_of(row: Record) -> Hit:
    """The hit of a row."""
    return Hit(row["item_id"], row["part_no"], row["distance"], row["payload"] or {}, tuple(row["keys"] or ()))
