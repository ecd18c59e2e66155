"""The nearest items through the approximate index: as far as it is trusted, and past what a filter leaves out."""

import msgspec

from embedding_studio.infra.postgres import Connection, Record, set_for_session
from embedding_studio.vector_store.calibration import LARGEST_EF, UNTESTED_DEPTH
from embedding_studio.vector_store.distances import approximate_distance, candidates_of, exact_distance
from embedding_studio.vector_store.domain import Collection, Hit
from embedding_studio.vector_store.sql import Parameters, condition
from embedding_studio.vector_store.statements import (
    Query,
    by_id,
    hits_of,
    page_head,
    parts_of,
    plan_anew,
    where_all,
)
from embedding_studio.vector_store.tables import items_table

__all__ = ["find_nearest"]

_FIRST_WALK = 4
"""Times the candidates that are wanted: enough for a filter that half of the items pass."""


async def find_nearest(
    connection: Connection, collection: Collection, query: Query, *, limit: int, ef_search: int | None = None
) -> list[Hit]:
    """The nearest items as the HNSW index finds them: fast, and nearly all of the best; none where it is not trusted.

    `query.after` and `query.sort` are not looked at. The index hands over more parts than asked for; they are compared
    by float32 and merged by item, and more are fetched until there are enough. What a filter leaves out is walked past.
    """
    ef = ef_search or collection.ef_search
    trusted = UNTESTED_DEPTH if collection.trusted_depth is None else collection.trusted_depth
    if query.filter is not None:
        return await _walk_past(connection, collection, query, limit, ef, candidates_of(collection, trusted))
    parts = candidates_of(collection, limit)
    while parts <= candidates_of(collection, trusted):
        await _look_at(connection, max(ef, parts))
        hits, are_all = await _nearest_of_all(connection, collection, query, parts)
        if are_all or len(hits) >= limit:
            return hits[:limit]
        parts *= 2
    return []


async def _nearest_of_all(
    connection: Connection, collection: Collection, query: Query, parts: int
) -> tuple[list[Hit], bool]:
    """The items among the nearest `parts` parts as the index has them, and whether there are no more to be had.

    Most searches come to this statement. It is planned once, and leaves to Python what Python does for less.
    """
    await set_for_session(connection, "plan_cache_mode", "auto")
    parameters = Parameters()
    vector = parameters.bind(query.vector)
    near = (
        f"SELECT p.item_id, p.part_no, {exact_distance(collection, vector)} AS distance FROM {parts_of(collection)} p"
        f" {where_all(by_id(query, 'p.item_id', parameters))}"
        f" ORDER BY {approximate_distance(collection, vector)} LIMIT {parts:d}"
    )
    of_items = f" JOIN {items_table(collection.id)} i ON i.id = n.item_id" if query.payloads else ""
    payload = "i.payload::text" if query.payloads else "'{}'"
    rows = await connection.fetch(
        f"SELECT n.*, {payload} AS payload FROM ({near}) n{of_items} ORDER BY n.distance, n.item_id, n.part_no",
        *parameters.values,
    )
    hits: dict[str, Hit] = {}
    for item_id, part_no, distance, payload in rows:
        if query.max_distance is not None and distance > query.max_distance:
            return list(hits.values()), True
        if item_id not in hits:
            hits[item_id] = Hit(item_id, part_no, distance, msgspec.json.decode(payload))
    return list(hits.values()), len(rows) < parts


async def _walk_past(
    connection: Connection, collection: Collection, query: Query, limit: int, ef: int, longest: int
) -> list[Hit]:
    """The nearest items that pass the filter, if enough of them are among the nearest parts of all.

    What is found so is right: nothing nearer was left out. How many passed near the query says how far to go on.
    """
    await plan_anew(connection, query)
    wanted = candidates_of(collection, limit)
    walk = min(max(ef, _FIRST_WALK * wanted), max(longest, wanted))
    while walk <= longest:
        await _look_at(connection, walk)
        rows = await _nearest_of_walk(connection, collection, query, walk, limit)
        passed = rows[0]["parts"]
        if passed >= wanted and rows[0]["items"] >= limit:
            return hits_of(rows)
        if rows[0]["walked"] < walk or passed == 0:
            break
        walk = max(walk + wanted, int(1.5 * walk * wanted / passed))
    return []


async def _look_at(connection: Connection, candidates: int) -> None:
    """How many candidates the index looks at before it hands over the first; it goes on from there by itself."""
    await set_for_session(connection, "hnsw.ef_search", str(min(LARGEST_EF, candidates)))


async def _nearest_of_walk(
    connection: Connection, collection: Collection, query: Query, walk: int, limit: int
) -> list[Record]:
    """The page of items among those of the nearest `walk` parts that pass the filter."""
    parameters = Parameters()
    vector = parameters.bind(query.vector)
    walked = (
        f"SELECT p.item_id, p.part_no, {exact_distance(collection, vector)} AS distance FROM {parts_of(collection)} p"
        f" ORDER BY {approximate_distance(collection, vector)} LIMIT {walk:d}"
    )
    # In this form no index on payloads answers the filter: it is looked at for what was walked only.
    passes = [condition(query.filter, parameters, language=collection.language)] if query.filter else []
    near = (
        f"SELECT w.* FROM walked w JOIN {items_table(collection.id)} i ON i.id = w.item_id"
        f" {where_all([*passes, *by_id(query, 'w.item_id', parameters)])}"
    )
    counted = "(SELECT count(*) FROM walked) AS walked,"
    head = page_head(collection, query, parameters, near=near, limit=limit, counted=counted)
    return await connection.fetch(f"WITH walked AS MATERIALIZED ({walked}), {head}", *parameters.values)
