"""Model versions as MongoDB documents."""

from datetime import datetime
from typing import Any, ClassVar

from beanie import Document
from pydantic import Field
from pymongo import ASCENDING, DESCENDING, IndexModel

__all__ = ["ModelVersion"]


class ModelVersion(Document):
    """A model that was trained for a collection, with the gate's record of it.

    `encoder` is the key of the encoder whose vectors the model adapts. `artifact` is the key of the adapter among the
    objects, `artifact_sha256` what its bytes must hash to. `result` is what the training task answered.
    `compared_with` is the deployment that the gate judged the model against.
    """

    id: str  # type: ignore[assignment]  # Beanie declares an optional ObjectId; ours are strings, always set
    collection: str
    collection_id: int
    version: int
    encoder: str = ""
    track: str
    parent: int
    task_id: str
    artifact: str
    artifact_sha256: str
    compared_with: int
    result: dict[str, Any] = Field(default_factory=dict)
    created_at: datetime

    @property
    def decision(self) -> str:
        """What the gate said."""
        return str(self.result.get("gate", {}).get("decision", "unknown"))

    class Settings:
        """Collection and indexes."""

        name = "model_versions"
        indexes: ClassVar = [
            IndexModel([("collection_id", ASCENDING), ("version", DESCENDING)], unique=True),
            IndexModel([("collection", ASCENDING), ("created_at", ASCENDING)]),
            IndexModel([("task_id", ASCENDING)], unique=True),
        ]
