"""Every query on keys and the audit log."""

from datetime import datetime
from typing import Any

from pymongo import ReturnDocument

from embedding_studio.access.models import ApiKey, AuditEntry

__all__ = ["AuditRepository", "KeyRepository"]


class KeyRepository:
    """Reads and writes keys; each write is one atomic operation."""

    async def add(self, key: ApiKey) -> None:
        """Insert a key."""
        await key.insert()

    async def get(self, key_id: str) -> ApiKey | None:
        """The key, if there is one."""
        return await ApiKey.get(key_id)

    async def page(self, *, after: str, limit: int) -> list[ApiKey]:
        """Keys by id, from the one after `after`."""
        return await ApiKey.find({"_id": {"$gt": after}}).sort("_id").limit(limit).to_list()

    async def rotate(self, key_id: str, *, digest: str, until: datetime, at: datetime) -> ApiKey | None:
        """Give the key another secret and let the present one retire; None if there is no such key, or it has ended."""
        change = {"digest": digest, "rotated_at": at, "retiring": {"digest": "$digest", "until": until}}
        return await self._update({"_id": key_id, **_lasting(at)}, [{"$set": change}])

    async def revoke(self, key_id: str, *, at: datetime) -> ApiKey | None:
        """End the key; one that was revoked already keeps its time. None if there is no such key."""
        return await self._update({"_id": key_id}, [{"$set": {"revoked_at": {"$ifNull": ["$revoked_at", at]}}}])

    @staticmethod
    async def _update(criteria: dict[str, Any], change: list[dict[str, Any]]) -> ApiKey | None:
        document = await ApiKey.get_pymongo_collection().find_one_and_update(
            criteria, change, return_document=ReturnDocument.AFTER
        )
        return ApiKey.model_validate(document) if document else None


class AuditRepository:
    """Reads and writes the audit log."""

    async def add(self, entry: AuditEntry) -> None:
        """Insert an entry."""
        await entry.insert()

    async def end(self, entry_id: str, status: int, *, created: str | None) -> None:
        """Note how an action ended, and what it made."""
        made = {} if created is None else {"created": created}
        await AuditEntry.get_pymongo_collection().update_one({"_id": entry_id}, {"$set": {"status": status, **made}})

    async def page(
        self, *, key_id: str | None, since: datetime | None, until: datetime | None, before: str, limit: int
    ) -> list[AuditEntry]:
        """Entries, newest first, from the one before `before`."""
        first = _first_id(since) if since else ""
        last = min(before, _first_id(until)) if until else before
        criteria: dict[str, Any] = {"_id": {"$gte": first, "$lt": last}}
        if key_id is not None:
            criteria["key_id"] = key_id
        return await AuditEntry.find(criteria).sort("-_id").limit(limit).to_list()


def _first_id(moment: datetime) -> str:
    """The smallest of the ids that are made from a time on: they begin with its milliseconds."""
    return f"{max(int(moment.timestamp() * 1000), 0):012x}"


def _lasting(moment: datetime) -> dict[str, Any]:
    return {"revoked_at": None, "$or": [{"expires_at": None}, {"expires_at": {"$gt": moment}}]}
