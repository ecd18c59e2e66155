"""Model versions as MongoDB documents."""

from datetime import datetime
from typing import Any, ClassVar

from beanie import Document
from pydantic import Field
from pymongo import ASCENDING, DESCENDING, IndexModel

__all__ = ["ModelVersion"]


class ModelVersion(Document):
    """A model that was trained for a collection, with the gate's record of it.

    `artifact` is the key of the adapter among the objects, `artifact_sha256` what its bytes must hash to.
    """

    id: str  # type: ignore[assignment]  # Beanie declares an optional ObjectId; ours are strings, always set
    collection: str
    version: int
    track: str
    parent: int
    task_id: str
    artifact: str
    artifact_sha256: str
    metrics: dict[str, Any] = Field(default_factory=dict)
    gate: dict[str, Any] = Field(default_factory=dict)
    mlflow_run_id: str | None = None
    created_at: datetime

    class Settings:
        """Collection and indexes."""

        name = "model_versions"
        indexes: ClassVar = [
            IndexModel([("collection", ASCENDING), ("version", DESCENDING)], unique=True),
            IndexModel([("task_id", ASCENDING)], unique=True),
        ]
