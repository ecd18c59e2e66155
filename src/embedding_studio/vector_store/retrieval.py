"""Every query that finds items: nearest, lexical, listed, counted."""

from collections.abc import Sequence
from dataclasses import dataclass

from embedding_studio.infra.postgres import Connection
from embedding_studio.vector_store.domain import Collection, Hit, Total, Vector
from embedding_studio.vector_store.filters import Filter
from embedding_studio.vector_store.sql import OPERATOR, Parameters, condition, words_of
from embedding_studio.vector_store.tables import items_table, parts_table

__all__ = ["Nearest", "Query", "Words", "count", "find", "find_nearest", "list_items"]

# A part matches if it has any of the words; the rank says how well.
_WORDS_QUERY = "replace(plainto_tsquery('english', {text})::text, ' & ', ' | ')::tsquery"
_WORDS_OF_PART = words_of("p.text")


@dataclass(frozen=True, slots=True)
class Nearest:
    """Rank by the distance to a vector."""

    vector: Vector


@dataclass(frozen=True, slots=True)
class Words:
    """Keep parts with any of the words, and rank by how well they match."""

    text: str


Ranking = Nearest | Words


@dataclass(frozen=True, slots=True)
class Query:
    """What to find: a ranking, and conditions on what is ranked.

    Attributes:
        ranking: None where items are only listed, by id.
        only: Ids that alone may be found; None: any.
        excluded: Ids that must not be found.
        after: Distance and id of the last hit of the page before.
    """

    ranking: Ranking | None
    filter: Filter | None = None
    only: Sequence[str] | None = None
    excluded: Sequence[str] = ()
    after: tuple[float, str] | None = None


async def count(connection: Connection, collection: Collection, query: Query, *, stop_at: int) -> Total:
    """How many items match the conditions, counting no further than `stop_at`."""
    parameters = Parameters()
    conditions = _conditions(query, parameters)
    if isinstance(query.ranking, Words):
        rows = f"SELECT DISTINCT p.item_id FROM {_joined(collection)} {_where(conditions)}"
    else:
        rows = f"SELECT 1 FROM {items_table(collection.id)} i {_where(conditions)}"
    matched: int = await connection.fetchval(
        f"SELECT count(*) FROM ({rows} LIMIT {stop_at + 1:d}) matched",
        *parameters.values,
    )
    return Total(matched, "eq") if matched <= stop_at else Total(stop_at, "gte")


async def list_items(connection: Connection, collection: Collection, query: Query, *, limit: int) -> list[Hit]:
    """The items that match, by id; `query.ranking` is not looked at."""
    parameters = Parameters()
    conditions = _conditions(query, parameters)
    if query.after is not None:
        conditions.append(f"i.id > {parameters.bind(query.after[1])}")
    rows = await connection.fetch(
        f"SELECT i.id AS item_id, 0 AS part_no, 0::float8 AS distance, i.payload"
        f" FROM {items_table(collection.id)} i {_where(conditions)} ORDER BY i.id LIMIT {limit:d}",
        *parameters.values,
    )
    return [Hit(**row) for row in rows]


async def find(connection: Connection, collection: Collection, query: Query, *, limit: int) -> list[Hit]:
    """The best items by comparing all that match: exact, by distance and then id."""
    parameters = Parameters()
    distance = _distance(query.ranking, collection, parameters)
    conditions = _conditions(query, parameters)
    after = ""
    if query.after is not None:
        distance_bound, id_bound = (parameters.bind(bound) for bound in query.after)
        after = f"WHERE (b.distance, b.item_id) > ({distance_bound}::float8, {id_bound}::text)"
    rows = await connection.fetch(
        f"WITH scored AS (SELECT p.item_id, p.part_no, {distance} AS distance"
        f" FROM {_joined(collection)} {_where(conditions)}),"
        " best AS (SELECT item_id, min(distance) AS distance FROM scored GROUP BY item_id),"
        f" page AS (SELECT b.item_id, b.distance FROM best b {after}"
        f" ORDER BY b.distance, b.item_id LIMIT {limit:d})"
        " SELECT page.item_id, page.distance, items.payload, (SELECT min(part_no) FROM scored s"
        " WHERE s.item_id = page.item_id AND s.distance = page.distance) AS part_no"
        f" FROM page JOIN {items_table(collection.id)} items ON items.id = page.item_id"
        " ORDER BY page.distance, page.item_id",
        *parameters.values,
    )
    return [Hit(**row) for row in rows]


async def find_nearest(connection: Connection, collection: Collection, query: Query, *, limit: int) -> list[Hit]:
    """The nearest items as the HNSW index finds them, where there is one: fast, and nearly all of the best.

    `query.after` is not looked at. Parts of one item are merged, so more parts are fetched until there are enough.
    """
    if not isinstance(query.ranking, Nearest):
        raise TypeError("an HNSW index ranks by distance only")
    parts = limit
    while True:
        hits = await _nearest_parts(connection, collection, query, parts)
        best = {hit.item_id: hit for hit in reversed(hits)}
        if len(best) >= limit or len(hits) < parts:
            return sorted(best.values(), key=lambda hit: (hit.distance, hit.item_id))[:limit]
        parts *= 2


async def _nearest_parts(connection: Connection, collection: Collection, query: Query, limit: int) -> list[Hit]:
    parameters = Parameters()
    distance = _indexed_distance(query.ranking, collection, parameters)
    conditions = _conditions(query, parameters)
    source = _joined(collection) if query.filter else f"{parts_table(collection.id, collection.index_version)} p"
    rows = await connection.fetch(
        f"SELECT n.item_id, n.part_no, n.distance, i.payload FROM (SELECT p.item_id, p.part_no, {distance} AS distance"
        f" FROM {source} {_where(conditions)} ORDER BY {distance} LIMIT {limit:d}) n"
        f" JOIN {items_table(collection.id)} i ON i.id = n.item_id ORDER BY n.distance, n.item_id, n.part_no",
        *parameters.values,
    )
    return [Hit(**row) for row in rows]


def _joined(collection: Collection) -> str:
    parts = parts_table(collection.id, collection.index_version)
    return f"{parts} p JOIN {items_table(collection.id)} i ON i.id = p.item_id"


def _conditions(query: Query, parameters: Parameters) -> list[str]:
    conditions = [condition(query.filter, parameters)] if query.filter else []
    if query.only is not None:
        conditions.append(f"p.item_id = ANY({parameters.bind(list(query.only))}::text[])")
    if query.excluded:
        conditions.append(f"p.item_id <> ALL({parameters.bind(list(query.excluded))}::text[])")
    if isinstance(query.ranking, Words):
        conditions.append(f"{_WORDS_OF_PART} @@ {_WORDS_QUERY.format(text=parameters.bind(query.ranking.text))}")
    return conditions


def _where(conditions: Sequence[str]) -> str:
    return f"WHERE {' AND '.join(conditions)}" if conditions else ""


def _distance(ranking: Ranking | None, collection: Collection, parameters: Parameters) -> str:
    match ranking:
        case Nearest():
            return f"({_indexed_distance(ranking, collection, parameters)}) + 0"
        case Words(text):
            return f"-ts_rank_cd({_WORDS_OF_PART}, {_WORDS_QUERY.format(text=parameters.bind(text))})::float8"
        case None:
            raise TypeError("a listing has no distances")


def _indexed_distance(ranking: Ranking | None, collection: Collection, parameters: Parameters) -> str:
    """The expression that an HNSW index answers; any other form of it is computed row by row."""
    if not isinstance(ranking, Nearest):
        raise TypeError("an HNSW index ranks by distance only")
    vector = parameters.bind(ranking.vector)
    return f"p.embedding {OPERATOR[collection.metric]} {vector}::vector({collection.dimensions:d})"
