"""Every query on shadows."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from pymongo.errors import DuplicateKeyError

from embedding_studio.shadow.domain import Compared, Counts
from embedding_studio.shadow.errors import ShadowExistsError
from embedding_studio.shadow.models import MirroredSearch, Shadow
from embedding_studio.shadow.overlap import overlap, rank_biased_overlap
from embedding_studio.shadow.settings import ShadowSettings

__all__ = ["ShadowRepository"]

_MOST = 1_000
_LONGEST_QUERY = 500
_REPEATED = 20
"""So many times as many comparisons are looked through for examples: popular queries come again and again."""
_NUMBERS = {"_id": 0, "live_ms": 1, "candidate_ms": 1, "overlap": 1, "rbo": 1, "same_first": 1} | {
    f"has_{side}": {"$ne": [f"${side}", []]} for side in ("live", "candidate")
}


class ShadowRepository:
    """Reads and writes shadows, and what was mirrored to them."""

    def __init__(self, settings: ShadowSettings) -> None:
        self._settings = settings

    async def add(self, shadow: Shadow) -> None:
        """Insert a shadow.

        Raises:
            ShadowExistsError: The collection has one.
        """
        try:
            await shadow.insert()
        except DuplicateKeyError:
            raise ShadowExistsError(shadow.collection) from None

    async def of(self, collection_id: int) -> Shadow | None:
        """The shadow of a collection."""
        return await Shadow.find_one({"collection_id": collection_id})

    async def all(self) -> list[Shadow]:
        """The shadows of all collections."""
        return await Shadow.find({}).sort("_id").limit(_MOST).to_list()

    async def versions_at_hand(self) -> list[tuple[int, int]]:
        """The collection's id and the model version of each shadow."""
        return [(one.collection_id, one.model_version) for one in await self.all()]

    async def count(self, shadow_id: str, counts: Counts, failure: str | None = None) -> int | None:
        """Add to what is counted.

        Returns:
            How many were compared before; None: the shadow is gone.
        """
        change: dict[str, Any] = {"$inc": asdict(counts)}
        if failure is not None:
            change["$set"] = {"last_failure": failure}
        before = await Shadow.get_pymongo_collection().find_one_and_update({"_id": shadow_id}, change)
        return None if before is None else int(before["compared"])

    async def keep(self, shadow_id: str, number: int, compared: Compared) -> None:
        """Keep a comparison instead of one that is as much older as are kept."""
        row = _row(shadow_id, compared, timedelta(days=self._settings.keep_days))
        place = f"{shadow_id}:{number % self._settings.kept}"
        await MirroredSearch.get_pymongo_collection().replace_one({"_id": place}, row, upsert=True)

    async def numbers(self, shadow_id: str, live_model: int) -> Sequence[Mapping[str, Any]]:
        """Of every kept comparison with a model: times, likenesses, and whether each side had an answer."""
        criteria = {"shadow_id": shadow_id, "live_model": live_model}
        found = MirroredSearch.get_pymongo_collection().find(criteria, _NUMBERS).limit(self._settings.kept)
        return await found.to_list()

    async def differing(self, shadow_id: str, live_model: int, *, limit: int) -> list[MirroredSearch]:
        """The comparisons that are least alike, the least first, of the same words one."""
        criteria = {"shadow_id": shadow_id, "live_model": live_model}
        least: dict[str | None, MirroredSearch] = {}
        async for one in MirroredSearch.find(criteria).sort("rbo").limit(limit * _REPEATED):
            least.setdefault(one.query, one)
        return [*least.values()][:limit]

    async def remove(self, shadow: Shadow) -> None:
        """Delete a shadow with all that was mirrored to it."""
        await Shadow.get_pymongo_collection().delete_one({"_id": shadow.id})
        await MirroredSearch.get_pymongo_collection().delete_many({"shadow_id": shadow.id})

    async def delete_of(self, collection: str) -> None:
        """Delete the shadows of a deleted collection."""
        for shadow in await Shadow.find({"collection": collection}).limit(_MOST).to_list():
            await self.remove(shadow)


def _row(shadow_id: str, compared: Compared, kept_for: timedelta) -> dict[str, Any]:
    live, candidate = list(compared.live.items), list(compared.candidate.items)
    return {
        "shadow_id": shadow_id,
        "live_model": compared.live_model,
        "query": compared.query and compared.query[:_LONGEST_QUERY],
        "live": live,
        "candidate": candidate,
        "live_ms": compared.live.took_ms,
        "candidate_ms": compared.candidate.took_ms,
        "overlap": overlap(live, candidate),
        "rbo": rank_biased_overlap(live, candidate),
        "same_first": live[:1] == candidate[:1],
        "at": compared.at,
        "expires_at": compared.at + kept_for,
    }
