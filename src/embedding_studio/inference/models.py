"""Model versions as MongoDB documents."""

from datetime import datetime
from typing import Any, ClassVar

from beanie import Document
from pydantic import Field
from pymongo import ASCENDING, DESCENDING, IndexModel

__all__ = ["ADAPTER", "ModelVersion"]

ADAPTER = "adapter.safetensors"
"""The name of an adapter's file."""


class ModelVersion(Document):
    """A model that was trained for a collection, with the gate's record of it.

    `encoder` is the key of the encoder of the index that the model goes with, `root` that of the plugin's encoder that
    all training of it began from. `queries` and `items` are the encoders of the two sides, as `EncoderSource`; None in
    older records: both are the index's. `artifact` is the key of what training made among the objects, the adapter or
    the description of the encoder, and `artifact_sha256` what its bytes must hash to. `adapter_sha256` is that of an
    adapter that is served behind an encoder of its own. `params` are the settings that the training ran with, and
    `result` is what its task answered. `compared_with` is the deployment that the gate judged the model against.
    """

    id: str  # type: ignore[assignment]  # Beanie declares an optional ObjectId; ours are strings, always set
    collection: str
    collection_id: int
    version: int
    encoder: str = ""
    root: str = ""
    queries: dict[str, str] | None = None
    items: dict[str, str] | None = None
    track: str
    parent: int
    task_id: str
    artifact: str
    artifact_sha256: str
    adapter_sha256: str | None = None
    params: dict[str, Any] = Field(default_factory=dict)
    compared_with: int
    result: dict[str, Any] = Field(default_factory=dict)
    created_at: datetime

    @property
    def decision(self) -> str:
        """What the gate said."""
        return str(self.result.get("gate", {}).get("decision", "unknown"))

    @property
    def folder(self) -> str:
        """Where its objects are."""
        return self.artifact.rpartition("/")[0]

    @property
    def adapter(self) -> tuple[str, str] | None:
        """The key of its adapter among the objects and what that must hash to; None if it has none."""
        if self.artifact.endswith(ADAPTER):
            return self.artifact, self.artifact_sha256
        return (f"{self.folder}/{ADAPTER}", self.adapter_sha256) if self.adapter_sha256 else None

    class Settings:
        """Collection and indexes."""

        name = "model_versions"
        indexes: ClassVar = [
            IndexModel([("collection_id", ASCENDING), ("version", DESCENDING)], unique=True),
            IndexModel([("collection", ASCENDING), ("created_at", ASCENDING)]),
            IndexModel([("task_id", ASCENDING)], unique=True),
        ]
