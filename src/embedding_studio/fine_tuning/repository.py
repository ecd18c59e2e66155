"""Every query on what editors decided."""

from collections.abc import Collection as Pairs
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pymongo import UpdateOne

from embedding_studio.fine_tuning.judgments import Judgment, Pair
from embedding_studio.fine_tuning.models import Curated
from embedding_studio.kernel.ids import new_id

__all__ = ["CuratedRepository"]

_BY_PAIR = (("group", 1), ("item_id", 1))


class CuratedRepository:
    """Reads and writes the curated set of collections."""

    async def put(self, collection: str, decided: Sequence[tuple[Pair, str, float]], at: datetime) -> None:
        """Write pairs, the spelling of the query and the gain of each; what was decided of them before is gone."""
        if not decided:
            return
        await Curated.get_pymongo_collection().bulk_write(
            [
                UpdateOne(
                    {"collection": collection, "group": group, "item_id": item_id},
                    {"$set": {"query": query, "gain": gain, "at": at}, "$setOnInsert": {"_id": new_id()}},
                    upsert=True,
                )
                for (group, item_id), query, gain in decided
            ],
            ordered=False,
        )

    async def of_pairs(self, collection: str, pairs: Pairs[Pair]) -> dict[Pair, Curated]:
        """What was decided of these pairs, at least one; those that nothing was decided of are not there."""
        named = [{"group": group, "item_id": item_id} for group, item_id in pairs]
        return {one.pair: one async for one in Curated.find({"collection": collection, "$or": named})}

    async def count(self, collection: str) -> int:
        """How many pairs were decided."""
        return await Curated.find({"collection": collection}).count()

    async def page(
        self, collection: str, *, group: str | None, item_id: str | None, after: str, limit: int
    ) -> list[Curated]:
        """In the order in which they were first decided, from the one after the id `after`."""
        criteria = {**_of(collection, group, item_id), "_id": {"$gt": after}}
        return await Curated.find(criteria).sort("_id").limit(limit).to_list()

    async def judgments(self, collection: str) -> list[Judgment]:
        """All of the collection, by group, then item."""
        found = Curated.get_pymongo_collection().find({"collection": collection}, sort=_BY_PAIR)
        return [_judgment(one) async for one in found]

    async def delete(self, collection: str, *, group: str | None, item_id: str | None) -> None:
        """Delete what was decided of a query, of an item, or of both; everything, if neither is given."""
        await Curated.get_pymongo_collection().delete_many(_of(collection, group, item_id))

    async def delete_of(self, collection: str) -> None:
        """Delete the curated set of a collection."""
        await self.delete(collection, group=None, item_id=None)


def _of(collection: str, group: str | None, item_id: str | None) -> dict[str, Any]:
    given = {"collection": collection, "group": group, "item_id": item_id}
    return {name: value for name, value in given.items() if value is not None}


def _judgment(document: dict[str, Any]) -> Judgment:
    return Judgment(
        group=document["group"],
        query=document["query"],
        item_id=document["item_id"],
        gain=document["gain"],
        weight=1.0,
        source="curated",
        users=0,
        impressions=0,
        first=document["at"],
        last=document["at"],
    )
