"""Every query on model versions."""

from collections.abc import Collection
from datetime import datetime

from pymongo.errors import DuplicateKeyError

from embedding_studio.inference.models import ModelVersion
from embedding_studio.sdk import EncoderSource

__all__ = ["ModelRepository"]


class ModelRepository:
    """Reads and writes the records of models."""

    async def add(self, model: ModelVersion) -> None:
        """Insert the record; one of the same task that is there already stays."""
        try:
            await model.insert()
        except DuplicateKeyError:
            return

    async def get(self, collection_id: int, version: int) -> ModelVersion | None:
        """The record of a version."""
        return await ModelVersion.find_one({"collection_id": collection_id, "version": version})

    async def of_task(self, task_id: str) -> ModelVersion | None:
        """The record that a task wrote."""
        return await ModelVersion.find_one({"task_id": task_id})

    async def page(self, collection_id: int, *, before: int, limit: int) -> list[ModelVersion]:
        """Newest first, from the one before `before`."""
        criteria = {"collection_id": collection_id, "version": {"$lt": before}}
        return await ModelVersion.find(criteria).sort("-version").limit(limit).to_list()

    async def trained_since(self, collection: str, at: datetime) -> list[int]:
        """The versions that were made at or after a time."""
        found = ModelVersion.find({"collection": collection, "created_at": {"$gte": at}}).sort("version")
        return [model.version async for model in found]

    async def of(self, collection: str) -> list[ModelVersion]:
        """The records of all models of a collection of this name."""
        return await ModelVersion.find({"collection": collection}).to_list()

    async def promoted(self, collection_id: int, track: str, *, limit: int) -> list[ModelVersion]:
        """Versions of a track that the gate promoted, newest first."""
        criteria = {"collection_id": collection_id, "track": track, "result.gate.decision": "promote"}
        return await ModelVersion.find(criteria).sort("-version").limit(limit).to_list()

    async def next_at_hand(self) -> list[tuple[int, int]]:
        """The collection's id and the number of the newest version of each, unless the gate rejected it."""
        newest = ModelVersion.aggregate(
            [
                {"$sort": {"collection_id": 1, "version": -1}},
                {"$group": {"_id": "$collection_id", "newest": {"$first": "$$ROOT"}}},
                {"$match": {"newest.result.gate.decision": {"$ne": "reject"}}},
                {"$project": {"version": "$newest.version"}},
            ]
        )
        return [(one["_id"], one["version"]) async for one in newest]

    async def query_encoders(self, versions: Collection[tuple[int, int]]) -> list[EncoderSource]:
        """What embeds queries in these versions, each a collection's id and a number; base versions are left out."""
        criteria = {"collection_id": {"$in": [collection for collection, _ in versions]}, "queries": {"$ne": None}}
        found = ModelVersion.find(criteria)
        return [
            EncoderSource(**model.queries)
            async for model in found
            if model.queries and (model.collection_id, model.version) in versions
        ]

    async def delete_of(self, collection: str) -> None:
        """Delete all records of a collection."""
        await ModelVersion.find({"collection": collection}).delete()
