"""Every query on sessions to learn from."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pymongo import UpdateOne

from embedding_studio.improvement.models import Unlearned
from embedding_studio.kernel.ids import new_id

__all__ = ["Backlog"]


class Backlog:
    """Which sessions are to be learned: the truth behind the messages, which may be lost or come twice."""

    async def add(self, collection: str, session_ids: Sequence[str], at: datetime) -> None:
        """Note sessions that have new events, or that are to be learned once more after all that do."""
        stamp = new_id()
        await Unlearned.get_pymongo_collection().bulk_write(
            [
                UpdateOne(
                    {"_id": session_id},
                    {"$set": {"stamp": stamp, "collection": collection}, "$min": {"at": at}},
                    upsert=True,
                )
                for session_id in session_ids
            ],
            ordered=False,
        )

    async def next(self, collection: str, *, limit: int) -> dict[str, str]:
        """The sessions that have waited longest, and the stamp of each."""
        found = Unlearned.get_pymongo_collection().find({"collection": collection}, {"stamp": 1})
        return {one["_id"]: one["stamp"] async for one in found.sort("at", 1).limit(limit)}

    async def lags(self, *, limit: int) -> list[tuple[str, int, datetime]]:
        """By collection, how many sessions wait, and since when the first does; of the `limit` oldest."""
        of_each = {"_id": "$collection", "count": {"$sum": 1}, "first": {"$min": "$at"}}
        steps: list[Mapping[str, Any]] = [{"$sort": {"at": 1}}, {"$limit": limit}, {"$group": of_each}]
        found = await Unlearned.get_pymongo_collection().aggregate(steps)
        return [(one["_id"], one["count"], one["first"]) async for one in found]

    async def done(self, stamps: Mapping[str, str]) -> None:
        """Take off the sessions that were learned, but not those that had events meanwhile."""
        pairs = [{"_id": session_id, "stamp": stamp} for session_id, stamp in stamps.items()]
        await Unlearned.get_pymongo_collection().delete_many({"$or": pairs})

    async def waiting(self, before: datetime) -> list[str]:
        """Collections with sessions that wait since before a time."""
        found = await Unlearned.get_pymongo_collection().distinct("collection", {"at": {"$lt": before}})
        return sorted(found)

    async def delete_of(self, collection: str) -> None:
        """Forget what was to be learned of a deleted collection."""
        await Unlearned.get_pymongo_collection().delete_many({"collection": collection})
