"""Finding items by comparing all that match, listing and counting them: exact, whatever it takes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from embedding_studio.infra.postgres import Connection, Record
from embedding_studio.vector_store.bm25 import Matches
from embedding_studio.vector_store.distances import exact_distance
from embedding_studio.vector_store.domain import Collection, Hit, Total, Vector
from embedding_studio.vector_store.facets import FacetValue, facets
from embedding_studio.vector_store.sorting import after, key_values, order_by
from embedding_studio.vector_store.sql import Parameters, where
from embedding_studio.vector_store.statements import (
    Query,
    best_parts,
    by_id,
    hit_of,
    hits_of,
    of_items,
    page_head,
    parts_of,
    plan_anew,
    where_all,
    with_payloads,
    within_distance,
)
from embedding_studio.vector_store.tables import items_table

__all__ = ["Few", "count", "count_facets", "distances", "find", "find_few"]

_MATCHES_AT_FIRST = 200


@dataclass(frozen=True, slots=True)
class Few:
    """What a first look brings: how many match, and the page where those are few enough to have been compared."""

    total: Total
    hits: list[Hit] | None


async def count(connection: Connection, collection: Collection, query: Query, *, stop_at: int | None = None) -> Total:
    """How many items match; no further than `stop_at` if that is given."""
    await plan_anew(connection, query)
    matches, looked_at = query.matches, stop_at and 2 * stop_at
    while matches is not None and looked_at and looked_at < len(matches):
        some = replace(query, matches=matches.first(looked_at))
        if await _count(connection, collection, some, stop_at) == stop_at:
            return Total(stop_at or 0, "gte")
        looked_at *= 4
    matched = await _count(connection, collection, query, None if stop_at is None else stop_at + 1)
    return Total(matched, "eq") if stop_at is None or matched <= stop_at else Total(stop_at, "gte")


async def find(connection: Connection, collection: Collection, query: Query, *, limit: int) -> list[Hit]:
    """The best items by comparing all that match: exact, in the order of sort keys, distance and id."""
    await plan_anew(connection, query)
    if query.matches is not None and not query.sort:
        return await _find_matching(connection, collection, query, query.matches, limit)
    if query.vector is not None and not query.sort and query.after is None:
        return await _find_first(connection, collection, query, limit)
    return await _find(connection, collection, query, limit)


async def find_few(connection: Connection, collection: Collection, query: Query, *, limit: int, at_most: int) -> Few:
    """Count what the filter lets through, up to `at_most`; if that is all, find the nearest by comparing it.

    `query.after` and `query.sort` are not looked at. All of it is one statement.
    """
    await plan_anew(connection, query)
    parts = limit
    while True:
        rows = await _nearest_few(connection, collection, query, parts, limit, at_most)
        if rows[0]["passed"] > at_most:
            return Few(Total(at_most, "gte"), None)
        if rows[0]["parts"] < parts or rows[0]["items"] >= limit:
            break
        parts *= 2
    hits = hits_of(rows)
    if query.max_distance is not None:
        return Few(await count(connection, collection, query), hits)
    return Few(Total(rows[0]["passed"], "eq"), hits)


async def count_facets(
    connection: Connection, collection: Collection, query: Query, paths: Sequence[str]
) -> dict[str, Sequence[FacetValue]]:
    """How often each value of these fields occurs among all items that match; the hundred most frequent ones.

    Raises:
        InvalidError: A path is none.
    """
    await plan_anew(connection, query)
    parameters, items, source = Parameters(), items_table(collection.id), None
    conditions = of_items(collection, query, parameters)
    if query.matches is not None or query.max_distance is not None:
        scored = _scored(collection, replace(query, filter=None), parameters)
        source = f"(SELECT DISTINCT s.item_id FROM ({scored}) s) s JOIN {items} i ON i.id = s.item_id"
    where_sql = " AND ".join(conditions) or "true"
    return await facets(connection, items, paths, where_sql=where_sql, parameters=parameters, from_sql=source)


async def distances(
    connection: Connection, collection: Collection, vector: Vector, item_ids: Sequence[str]
) -> dict[str, tuple[float, int]]:
    """The distance of each item's nearest part to the vector, and the number of that part."""
    parameters = Parameters()
    distance = exact_distance(collection, parameters.bind(vector))
    rows = await connection.fetch(
        f"SELECT DISTINCT ON (p.item_id) p.item_id, p.part_no, {distance} AS distance FROM {parts_of(collection)} p"
        f" WHERE p.item_id = ANY({parameters.bind(list(item_ids))}::text[]) ORDER BY p.item_id, 3, p.part_no",
        *parameters.values,
    )
    return {row["item_id"]: (row["distance"], row["part_no"]) for row in rows}


async def _find(connection: Connection, collection: Collection, query: Query, limit: int) -> list[Hit]:
    parameters = Parameters()
    items = items_table(collection.id)
    ranks = query.vector is not None or query.matches is not None
    scored = (_scored if ranks else _listed)(collection, query, parameters)
    page = _page(query, parameters, limit, best=best_parts("scored") if ranks else "SELECT * FROM scored", items=items)
    rows = await connection.fetch(f"WITH scored AS ({scored}) {page}", *parameters.values)
    return [hit_of(row) for row in rows]


async def _find_first(connection: Connection, collection: Collection, query: Query, limit: int) -> list[Hit]:
    """A first page by distance: the nearest parts are enough, more of them where items have several."""
    parts = limit
    while True:
        parameters = Parameters()
        near = f"{_scored(collection, query, parameters)} ORDER BY 3, 1, 2 LIMIT {parts:d}"
        head = page_head(collection, query, parameters, near=near, limit=limit)
        rows = await connection.fetch(f"WITH {head}", *parameters.values)
        if rows[0]["parts"] < parts or rows[0]["items"] >= limit:
            return hits_of(rows)
        parts *= 2


async def _find_matching(
    connection: Connection, collection: Collection, query: Query, matches: Matches, limit: int
) -> list[Hit]:
    """Look at the best matches first, and at more of them until what is left out could not be on the page."""
    if query.after is not None:
        matches = matches.up_to(-query.after[1])
    looked_at = max(_MATCHES_AT_FIRST, 4 * limit)
    while True:
        best = matches.best(looked_at)
        hits = await _find(connection, collection, replace(query, matches=best), limit)
        if len(hits) == limit or len(best) == len(matches):
            return hits
        looked_at *= 8


async def _nearest_few(
    connection: Connection, collection: Collection, query: Query, parts: int, limit: int, at_most: int
) -> list[Record]:
    """How many items pass, and if that is `at_most`, the page of items among the nearest `parts` parts of them."""
    parameters = Parameters()
    distance = exact_distance(collection, parameters.bind(query.vector))
    conditions = of_items(collection, query, parameters)
    passed = f"SELECT i.id FROM {items_table(collection.id)} i {where_all(conditions)} LIMIT {at_most + 1:d}"
    # An array of ids is looked up in the order of the index: half the time of a join.
    near = (
        f"SELECT p.item_id, p.part_no, {distance} AS distance FROM {parts_of(collection)} p"
        f" WHERE p.item_id = ANY((SELECT array_agg(id) FROM passed)::text[]) AND (SELECT n FROM few) <= {at_most:d}"
        f" ORDER BY 3, 1, 2 LIMIT {parts:d}"
    )
    head = page_head(collection, query, parameters, near=near, limit=limit, counted="(SELECT n FROM few) AS passed,")
    return await connection.fetch(
        f"WITH passed AS MATERIALIZED ({passed}), few AS MATERIALIZED (SELECT count(*) AS n FROM passed), {head}",
        *parameters.values,
    )


async def _count(connection: Connection, collection: Collection, query: Query, stop_at: int | None) -> int:
    parameters = Parameters()
    if query.matches is None and query.max_distance is None:
        conditions = of_items(collection, query, parameters)
        rows = f"SELECT 1 FROM {items_table(collection.id)} i {where_all(conditions)}"
    else:
        rows = f"SELECT DISTINCT s.item_id FROM ({_scored(collection, query, parameters)}) s"
    limit = "" if stop_at is None else f"LIMIT {stop_at:d}"
    matched: int = await connection.fetchval(f"SELECT count(*) FROM ({rows} {limit}) matched", *parameters.values)
    return matched


def _scored(collection: Collection, query: Query, parameters: Parameters) -> str:
    """The parts of the items that match, each with its distance."""
    conditions = _of_parts(collection, query, parameters)
    source, distance = f"{parts_of(collection)} p", "m.distance"
    if query.matches is not None:
        keys = parameters.bind(query.matches.keys.tolist())
        scores = parameters.bind((-query.matches.scores).tolist())
        source = f"unnest({keys}::bigint[], {scores}::float8[]) AS m (key, distance) JOIN {source} USING (key)"
    else:
        distance = exact_distance(collection, parameters.bind(query.vector))
        conditions += within_distance(query, distance, parameters)
    joined = f"JOIN {items_table(collection.id)} i ON i.id = p.item_id" if query.filter else ""
    return f"SELECT p.item_id, p.part_no, {distance} AS distance FROM {source} {joined} {where_all(conditions)}"


def _listed(collection: Collection, query: Query, parameters: Parameters) -> str:
    """The items that match, all alike."""
    return (
        "SELECT i.id AS item_id, 0::float8 AS distance, 0 AS part_no"
        f" FROM {items_table(collection.id)} i {where_all(of_items(collection, query, parameters))}"
    )


def _page(query: Query, parameters: Parameters, limit: int, *, best: str, items: str) -> str:
    """The page of the items that `best` selects, with the payloads that the relation `items` has by id."""
    if query.sort:
        behind = [] if query.after is None else [after(query.sort, query.after, parameters)]
        return (
            f"SELECT b.*, i.payload, {key_values(query.sort, parameters)} AS keys FROM ({best}) b"
            f" JOIN {items} i ON i.id = b.item_id {where_all(behind)} ORDER BY {order_by(query.sort, parameters)}"
            f" LIMIT {limit:d}"
        )
    behind = []
    if query.after is not None:
        distance, item_id = (parameters.bind(bound) for bound in query.after[1:])
        behind = [f"(b.distance, b.item_id) > ({distance}::float8, {item_id}::text)"]
    page = f"(SELECT * FROM ({best}) b {where_all(behind)} ORDER BY b.distance, b.item_id LIMIT {limit:d})"
    return (
        f"SELECT b.*, NULL::jsonb AS keys FROM ({with_payloads(query, page, items)}) b ORDER BY b.distance, b.item_id"
    )


def _of_parts(collection: Collection, query: Query, parameters: Parameters) -> list[str]:
    """Conditions on `p`, and on `i` where there is a filter."""
    filters = [where(query.filter, parameters, language=collection.language)] if query.filter else []
    return [*filters, *by_id(query, "p.item_id", parameters)]
