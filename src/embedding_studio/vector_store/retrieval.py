"""Every query that finds items: compared one by one, through the approximate index, listed, counted."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from embedding_studio.infra.postgres import Connection, Record, set_for_session
from embedding_studio.vector_store.bm25 import Matches
from embedding_studio.vector_store.calibration import LARGEST_EF, UNTESTED_DEPTH
from embedding_studio.vector_store.distances import approximate_distance, candidates_of, exact_distance
from embedding_studio.vector_store.domain import Collection, Hit, Total, Vector
from embedding_studio.vector_store.facets import FacetValue, facets
from embedding_studio.vector_store.filters import Filter
from embedding_studio.vector_store.sorting import SortKey, after, key_values, order_by
from embedding_studio.vector_store.sql import Parameters, condition, where
from embedding_studio.vector_store.tables import items_table, parts_table

__all__ = ["Few", "Query", "count", "count_facets", "distances", "find", "find_few", "find_nearest"]

_MATCHES_AT_FIRST = 200
_FIRST_WALK = 4
"""Times the candidates that are wanted: enough for a filter that half of the items pass."""


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
    """

    vector: Vector | None = None
    matches: Matches | None = None
    filter: Filter | None = None
    max_distance: float | None = None
    only: Sequence[str] | None = None
    excluded: Sequence[str] = ()
    sort: tuple[SortKey, ...] = ()
    after: tuple[Sequence[Any], float, str] | None = None


@dataclass(frozen=True, slots=True)
class Few:
    """What a first look brings: how many match, and the page where those are few enough to have been compared."""

    total: Total
    hits: list[Hit] | None


async def count(connection: Connection, collection: Collection, query: Query, *, stop_at: int | None = None) -> Total:
    """How many items match; no further than `stop_at` if that is given."""
    await _plan_anew(connection, query)
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
    await _plan_anew(connection, query)
    if query.matches is not None and not query.sort:
        return await _find_matching(connection, collection, query, query.matches, limit)
    if query.vector is not None and not query.sort and query.after is None:
        return await _find_first(connection, collection, query, limit)
    return await _find(connection, collection, query, limit)


async def find_few(connection: Connection, collection: Collection, query: Query, *, limit: int, at_most: int) -> Few:
    """Count what the filter lets through, up to `at_most`; if that is all, find the nearest by comparing it.

    `query.after` and `query.sort` are not looked at. All of it is one statement.
    """
    await _plan_anew(connection, query)
    parts = limit
    while True:
        rows = await _nearest_few(connection, collection, query, parts, limit, at_most)
        if rows[0]["passed"] > at_most:
            return Few(Total(at_most, "gte"), None)
        if rows[0]["parts"] < parts or rows[0]["items"] >= limit:
            break
        parts *= 2
    hits = _hits(rows)
    if query.max_distance is not None:
        return Few(await count(connection, collection, query), hits)
    return Few(Total(rows[0]["passed"], "eq"), hits)


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


async def count_facets(
    connection: Connection, collection: Collection, query: Query, paths: Sequence[str]
) -> dict[str, Sequence[FacetValue]]:
    """How often each value of these fields occurs among all items that match; the hundred most frequent ones.

    Raises:
        InvalidError: A path is none.
    """
    await _plan_anew(connection, query)
    parameters, items, source = Parameters(), items_table(collection.id), None
    conditions = _of_items(collection, query, parameters)
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
        f"SELECT DISTINCT ON (p.item_id) p.item_id, p.part_no, {distance} AS distance FROM {_parts(collection)} p"
        f" WHERE p.item_id = ANY({parameters.bind(list(item_ids))}::text[]) ORDER BY p.item_id, 3, p.part_no",
        *parameters.values,
    )
    return {row["item_id"]: (row["distance"], row["part_no"]) for row in rows}


async def _plan_anew(connection: Connection, query: Query) -> None:
    """Have statements planned for their values: paths of fields are parameters, and indexes are on paths."""
    if query.filter is not None or query.sort:
        await set_for_session(connection, "plan_cache_mode", "force_custom_plan")


async def _find(connection: Connection, collection: Collection, query: Query, limit: int) -> list[Hit]:
    parameters = Parameters()
    items = items_table(collection.id)
    ranks = query.vector is not None or query.matches is not None
    scored = (_scored if ranks else _listed)(collection, query, parameters)
    page = _page(query, parameters, limit, best=_best("scored") if ranks else "SELECT * FROM scored", items=items)
    rows = await connection.fetch(f"WITH scored AS ({scored}) {page}", *parameters.values)
    return [_hit(row) for row in rows]


async def _find_first(connection: Connection, collection: Collection, query: Query, limit: int) -> list[Hit]:
    """A first page by distance: the nearest parts are enough, more of them where items have several."""
    parts = limit
    while True:
        parameters = Parameters()
        near = f"{_scored(collection, query, parameters)} ORDER BY 3, 1, 2 LIMIT {parts:d}"
        head = _head(collection, query, parameters, near=near, limit=limit)
        rows = await connection.fetch(f"WITH {head}", *parameters.values)
        if rows[0]["parts"] < parts or rows[0]["items"] >= limit:
            return _hits(rows)
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


async def _nearest_of_all(
    connection: Connection, collection: Collection, query: Query, parts: int
) -> tuple[list[Hit], bool]:
    """The items among the nearest `parts` parts as the index has them, and whether there are no more to be had.

    Most searches come to this statement. It is planned once, and leaves to Python what Python does for less.
    """
    await set_for_session(connection, "plan_cache_mode", "auto")
    parameters = Parameters()
    vector = parameters.bind(query.vector)
    rows = await connection.fetch(
        f"SELECT n.*, i.payload::text AS payload FROM (SELECT p.item_id, p.part_no,"
        f" {exact_distance(collection, vector)} AS distance FROM {_parts(collection)} p"
        f" {_where(_named(query, 'p.item_id', parameters))}"
        f" ORDER BY {approximate_distance(collection, vector)} LIMIT {parts:d}) n"
        f" JOIN {items_table(collection.id)} i ON i.id = n.item_id ORDER BY n.distance, n.item_id, n.part_no",
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
    await _plan_anew(connection, query)
    wanted = candidates_of(collection, limit)
    walk = min(max(ef, _FIRST_WALK * wanted), max(longest, wanted))
    while walk <= longest:
        await _look_at(connection, walk)
        rows = await _nearest_of_walk(connection, collection, query, walk, limit)
        passed = rows[0]["parts"]
        if passed >= wanted and rows[0]["items"] >= limit:
            return _hits(rows)
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
        f"SELECT p.item_id, p.part_no, {exact_distance(collection, vector)} AS distance FROM {_parts(collection)} p"
        f" ORDER BY {approximate_distance(collection, vector)} LIMIT {walk:d}"
    )
    # In this form no index on payloads answers the filter: it is looked at for what was walked only.
    passes = [condition(query.filter, parameters, language=collection.language)] if query.filter else []
    near = (
        f"SELECT w.* FROM walked w JOIN {items_table(collection.id)} i ON i.id = w.item_id"
        f" {_where([*passes, *_named(query, 'w.item_id', parameters)])}"
    )
    counted = "(SELECT count(*) FROM walked) AS walked,"
    head = _head(collection, query, parameters, near=near, limit=limit, counted=counted)
    return await connection.fetch(f"WITH walked AS MATERIALIZED ({walked}), {head}", *parameters.values)


async def _nearest_few(
    connection: Connection, collection: Collection, query: Query, parts: int, limit: int, at_most: int
) -> list[Record]:
    """How many items pass, and if that is `at_most`, the page of items among the nearest `parts` parts of them."""
    parameters = Parameters()
    distance = exact_distance(collection, parameters.bind(query.vector))
    conditions = _of_items(collection, query, parameters)
    passed = f"SELECT i.id FROM {items_table(collection.id)} i {_where(conditions)} LIMIT {at_most + 1:d}"
    near = (
        f"SELECT p.item_id, p.part_no, {distance} AS distance FROM passed"
        f" JOIN {_parts(collection)} p ON p.item_id = passed.id WHERE (SELECT n FROM few) <= {at_most:d}"
        f" ORDER BY 3, 1, 2 LIMIT {parts:d}"
    )
    head = _head(collection, query, parameters, near=near, limit=limit, counted="(SELECT n FROM few) AS passed,")
    return await connection.fetch(
        f"WITH passed AS MATERIALIZED ({passed}), few AS MATERIALIZED (SELECT count(*) AS n FROM passed), {head}",
        *parameters.values,
    )


def _head(
    collection: Collection, query: Query, parameters: Parameters, *, near: str, limit: int, counted: str = ""
) -> str:
    """What follows WITH: the page of items among the parts that `near` selects, beside how many these are."""
    conditions = _near(query, "b.distance", parameters)
    return (
        f"near AS MATERIALIZED ({near}), best AS MATERIALIZED ({_best('near')}),"
        f" page AS (SELECT * FROM best b {_where(conditions)} ORDER BY b.distance, b.item_id LIMIT {limit:d})"
        f" SELECT counted.*, page.*, i.payload, NULL::jsonb AS keys FROM (SELECT {counted}"
        " (SELECT count(*) FROM near) AS parts, (SELECT count(*) FROM best) AS items) counted"
        f" LEFT JOIN (page JOIN {items_table(collection.id)} i ON i.id = page.item_id) ON true"
        " ORDER BY page.distance, page.item_id"
    )


async def _count(connection: Connection, collection: Collection, query: Query, stop_at: int | None) -> int:
    parameters = Parameters()
    if query.matches is None and query.max_distance is None:
        conditions = _of_items(collection, query, parameters)
        rows = f"SELECT 1 FROM {items_table(collection.id)} i {_where(conditions)}"
    else:
        rows = f"SELECT DISTINCT s.item_id FROM ({_scored(collection, query, parameters)}) s"
    limit = "" if stop_at is None else f"LIMIT {stop_at:d}"
    matched: int = await connection.fetchval(f"SELECT count(*) FROM ({rows} {limit}) matched", *parameters.values)
    return matched


def _scored(collection: Collection, query: Query, parameters: Parameters) -> str:
    """The parts of the items that match, each with its distance."""
    conditions = _of_parts(collection, query, parameters)
    source, distance = f"{_parts(collection)} p", "m.distance"
    if query.matches is not None:
        keys = parameters.bind(query.matches.keys.tolist())
        scores = parameters.bind((-query.matches.scores).tolist())
        source = f"unnest({keys}::bigint[], {scores}::float8[]) AS m (key, distance) JOIN {source} USING (key)"
    else:
        distance = exact_distance(collection, parameters.bind(query.vector))
        conditions += _near(query, distance, parameters)
    joined = f"JOIN {items_table(collection.id)} i ON i.id = p.item_id" if query.filter else ""
    return f"SELECT p.item_id, p.part_no, {distance} AS distance FROM {source} {joined} {_where(conditions)}"


def _listed(collection: Collection, query: Query, parameters: Parameters) -> str:
    """The items that match, all alike."""
    return (
        "SELECT i.id AS item_id, 0::float8 AS distance, 0 AS part_no"
        f" FROM {items_table(collection.id)} i {_where(_of_items(collection, query, parameters))}"
    )


def _page(query: Query, parameters: Parameters, limit: int, *, best: str, items: str) -> str:
    """The page of the items that `best` selects, with the payloads that the relation `items` has by id."""
    if query.sort:
        behind = [] if query.after is None else [after(query.sort, query.after, parameters)]
        return (
            f"SELECT b.*, i.payload, {key_values(query.sort, parameters)} AS keys FROM ({best}) b"
            f" JOIN {items} i ON i.id = b.item_id {_where(behind)} ORDER BY {order_by(query.sort, parameters)}"
            f" LIMIT {limit:d}"
        )
    behind = []
    if query.after is not None:
        distance, item_id = (parameters.bind(bound) for bound in query.after[1:])
        behind = [f"(b.distance, b.item_id) > ({distance}::float8, {item_id}::text)"]
    return (
        "SELECT b.*, i.payload, NULL::jsonb AS keys FROM"
        f" (SELECT * FROM ({best}) b {_where(behind)} ORDER BY b.distance, b.item_id LIMIT {limit:d}) b"
        f" JOIN {items} i ON i.id = b.item_id ORDER BY b.distance, b.item_id"
    )


def _best(relation: str) -> str:
    """Each item of the relation with its best part, the first of those that are equally good."""
    return (
        "SELECT item_id, best[1] AS distance, best[2]::int AS part_no FROM"
        f" (SELECT item_id, min(ARRAY[distance, part_no]) AS best FROM {relation} GROUP BY item_id) g"
    )


def _of_items(collection: Collection, query: Query, parameters: Parameters) -> list[str]:
    """Conditions on `i`."""
    filters = [where(query.filter, parameters, language=collection.language)] if query.filter else []
    return [*filters, *_named(query, "i.id", parameters)]


def _of_parts(collection: Collection, query: Query, parameters: Parameters) -> list[str]:
    """Conditions on `p`, and on `i` where there is a filter."""
    filters = [where(query.filter, parameters, language=collection.language)] if query.filter else []
    return [*filters, *_named(query, "p.item_id", parameters)]


def _named(query: Query, column: str, parameters: Parameters) -> list[str]:
    named = [] if query.only is None else [f"{column} = ANY({parameters.bind(list(query.only))}::text[])"]
    if query.excluded:
        named.append(f"{column} <> ALL({parameters.bind(list(query.excluded))}::text[])")
    return named


def _near(query: Query, distance: str, parameters: Parameters) -> list[str]:
    return [] if query.max_distance is None else [f"{distance} <= {parameters.bind(query.max_distance)}::float8"]


def _parts(collection: Collection) -> str:
    return parts_table(collection.id, collection.index_version)


def _where(conditions: Sequence[str]) -> str:
    return f"WHERE {' AND '.join(conditions)}" if conditions else ""


def _hits(rows: Sequence[Record]) -> list[Hit]:
    return [_hit(row) for row in rows if row["item_id"] is not None]


def _hit(row: Record) -> Hit:
    return Hit(row["item_id"], row["part_no"], row["distance"], row["payload"], tuple(row["keys"] or ()))
