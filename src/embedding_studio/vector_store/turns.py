"""Turns at a collection, first come, first served.

A row that several share is given to whoever wants to share it too, however long somebody waits to have it alone: that
one would wait for as long as items are written. So all wait for their turn before they lock the collection's row.
"""

from embedding_studio.infra.postgres import Connection

__all__ = ["lock_alone", "share_turn", "take_turn"]

_TURN = "hashtextextended('turn at collection ' || $1::bigint, 0)"


async def share_turn(connection: Connection, collection_id: int) -> None:
    """Wait for those who came before and want the collection alone; the turn lasts until the transaction ends."""
    await connection.execute(f"SELECT pg_advisory_xact_lock_shared({_TURN})", collection_id)


async def take_turn(connection: Connection, collection_id: int) -> None:
    """Wait for all who came before, and let nobody in until the transaction ends."""
    await connection.execute(f"SELECT pg_advisory_xact_lock({_TURN})", collection_id)


async def lock_alone(connection: Connection, collection_id: int) -> bool:
    """Take a turn and lock the collection's row until the transaction ends; says whether the collection is there."""
    await take_turn(connection, collection_id)
    known = await connection.fetchval("SELECT true FROM collections WHERE id = $1 FOR UPDATE", collection_id)
    return known is not None
