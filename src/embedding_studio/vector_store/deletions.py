"""Every query that deletes items, and what keeps them deleted.

A deletion takes its place in the order of acceptance. It is noted for as long as anything older is under way, and each
writer applies what is noted to what it has just written: whatever was accepted before a deletion never comes back.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from embedding_studio.infra.postgres import Connection
from embedding_studio.vector_store.domain import Collection, Item
from embedding_studio.vector_store.errors import CollectionNotFoundError
from embedding_studio.vector_store.filters import parse_filter
from embedding_studio.vector_store.sql import Parameters, condition
from embedding_studio.vector_store.tables import items_table
from embedding_studio.vector_store.turns import take_turn

__all__ = [
    "apply_deletions",
    "count_noted",
    "delete_items",
    "delete_matching",
    "forget_deletions",
    "hold_alone",
    "note_deletion",
    "noted",
]


async def hold_alone(connection: Connection, collection: Collection) -> None:
    """Wait for the collection's writers to end, and keep new ones out until the caller's transaction ends.

    Raises:
        CollectionNotFoundError: The collection is gone.
    """
    await take_turn(connection, collection.id)
    known = await connection.fetchval("SELECT id FROM collections WHERE id = $1 FOR NO KEY UPDATE", collection.id)
    if known is None:
        raise CollectionNotFoundError(collection.name)


async def note_deletion(
    connection: Connection,
    collection: Collection,
    *,
    item_ids: Sequence[str] = (),
    filter_tree: dict[str, Any] | None = None,
    task_id: str | None = None,
) -> None:
    """Note what is deleted from now on, inside the caller's transaction, which holds the collection alone."""
    seq = await connection.fetchval("SELECT nextval('acceptance')")
    await connection.copy_records_to_table(
        "deletions",
        columns=("collection_id", "seq", "task_id", "item_id"),
        records=[(collection.id, seq, task_id, item_id) for item_id in item_ids],
    )
    if filter_tree is not None:
        await connection.execute(
            "INSERT INTO deletions (collection_id, seq, task_id, filter) VALUES ($1, $2, $3, $4)",
            collection.id,
            seq,
            task_id,
            msgspec.json.encode(filter_tree).decode(),  # as it came: jsonb would write 1e20 as a whole number
        )


async def noted(connection: Connection, task_id: str, *, after: str, limit: int) -> tuple[int, list[str], Any]:
    """What a task is to delete: its place in the order, ids from the one after `after`, or a filter tree."""
    rows = await connection.fetch(
        "SELECT seq, item_id, filter FROM deletions WHERE task_id = $1 AND (item_id > $2 OR item_id IS NULL)"
        " ORDER BY item_id LIMIT $3",
        task_id,
        after,
        limit,
    )
    if not rows:
        return 0, [], None
    return rows[0]["seq"], [row["item_id"] for row in rows if row["item_id"] is not None], _tree(rows[0]["filter"])


async def count_noted(connection: Connection, task_id: str) -> int:
    """How many deletions a task noted."""
    count: int = await connection.fetchval("SELECT count(*) FROM deletions WHERE task_id = $1", task_id)
    return count


async def delete_items(
    connection: Connection, collection: Collection, item_ids: Sequence[str], *, before: int | None = None
) -> int:
    """Delete the items from every index version, those only that were accepted before `before` if that is given.

    Returns:
        How many there were.
    """
    rows = await connection.fetch(
        f"DELETE FROM {items_table(collection.id)} WHERE id = ANY($1) AND ($2::bigint IS NULL OR seq < $2)"
        " RETURNING id",
        list(item_ids),
        before,
    )
    return len(rows)


async def delete_matching(
    connection: Connection,
    collection: Collection,
    filter_tree: object,
    *,
    before: int,
    after: str,
    until: str,
    window: int,
) -> tuple[int, int, str | None]:
    """Look at the next `window` items by id, to `until`; delete those that match and were accepted before `before`.

    Returns:
        How many were deleted, how many were looked at, and the last id of them; None at the end.
    """
    parameters = Parameters()
    matches = condition(parse_filter(filter_tree), parameters, "seen.payload", language=collection.language)
    table = items_table(collection.id)
    row = await connection.fetchrow(
        f"WITH seen AS (SELECT id, seq, payload FROM {table} WHERE id > {parameters.bind(after)}"
        f" AND id <= {parameters.bind(until)} ORDER BY id LIMIT {window:d}),"
        f" gone AS (DELETE FROM {table} i USING seen WHERE i.id = seen.id"
        f" AND seen.seq < {parameters.bind(before)} AND {matches} RETURNING i.id, i.seq),"
        f" superseded AS ({_note_gone(collection)}) SELECT (SELECT count(*) FROM gone), count(*), max(id) FROM seen",
        *parameters.values,
    )
    return (row[0], row[1], row[2]) if row else (0, 0, None)


async def apply_deletions(connection: Connection, collection: Collection, items: Sequence[Item]) -> None:
    """Delete those of the items that a later deletion covers, inside the transaction that wrote them."""
    if not items:
        return
    table, item_ids = items_table(collection.id), [item.id for item in items]
    await connection.execute(
        f"DELETE FROM {table} i USING deletions d"
        " WHERE d.collection_id = $1 AND d.item_id = i.id AND i.id = ANY($2) AND i.seq < d.seq",
        collection.id,
        item_ids,
    )
    filters = await connection.fetch(
        "SELECT seq, filter FROM deletions WHERE collection_id = $1 AND filter IS NOT NULL AND seq > $2 ORDER BY seq",
        collection.id,
        min(item.seq for item in items),
    )
    for row in filters:
        parameters = Parameters()
        matches = condition(parse_filter(_tree(row["filter"])), parameters, "payload", language=collection.language)
        written, before = parameters.bind(item_ids), parameters.bind(row["seq"])
        await connection.execute(
            f"WITH gone AS (DELETE FROM {table} WHERE id = ANY({written}::text[]) AND seq < {before} AND {matches}"
            f" RETURNING id, seq) {_note_gone(collection)}",
            *parameters.values,
        )


def _note_gone(collection: Collection) -> str:
    """Keeps away what is older than the rows in `gone`: it was superseded by them, and need not match the filter."""
    return f"INSERT INTO deletions (collection_id, seq, item_id) SELECT {collection.id:d}, seq, id FROM gone"


def _tree(stored: Any) -> Any:
    return msgspec.json.decode(stored) if isinstance(stored, str) else stored


async def forget_deletions(connection: Connection, collection: Collection, *, before: int | None) -> None:
    """Drop the notes of finished deletions that nothing older is left for; None: no task at all is under way.

    A request that writes without a task may take as long as its deadlines allow, so notes are kept for two minutes.
    """
    await connection.execute(
        "DELETE FROM deletions WHERE collection_id = $1 AND ($2::bigint IS NULL OR seq < $2)"
        " AND accepted_at < now() - interval '2 minutes'",
        collection.id,
        before,
    )
