"""Models, deployments and embeddings on the wire."""

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec

from embedding_studio.inference.models import ModelVersion
from embedding_studio.kernel.encoder import TextKind
from embedding_studio.vector_store import BASE_MODEL_VERSION, Collection

__all__ = ["Deploy", "Embed", "Embedded", "ModelPage", "ModelState", "ModelView"]

ModelState = Literal["registered", "deployed", "retired"]

_WITHOUT_NUL = r"^[^\x00]*\Z"
_Text = Annotated[str, msgspec.Meta(max_length=100_000, pattern=_WITHOUT_NUL)]


class ModelView(msgspec.Struct):
    """A model version."""

    version: int
    track: str
    parent: int | None
    state: ModelState
    metrics: dict[str, Any]
    gate: dict[str, Any] | None
    mlflow_run_id: str | None
    created_at: datetime

    @classmethod
    def of(cls, model: ModelVersion, collection: Collection, deployed: set[int]) -> "ModelView":
        """The record as clients see it."""
        return cls(
            version=model.version,
            track=model.track,
            parent=model.parent,
            state=_state(model.version, collection, deployed),
            metrics=model.result.get("metrics", {}),
            gate=model.result.get("gate"),
            mlflow_run_id=model.result.get("mlflow_run_id"),
            created_at=model.created_at,
        )

    @classmethod
    def base(cls, collection: Collection, deployed: set[int]) -> "ModelView":
        """The plugin's encoder as it came."""
        state = _state(BASE_MODEL_VERSION, collection, deployed)
        return cls(BASE_MODEL_VERSION, "base", None, state, {}, None, None, collection.created_at)


class ModelPage(msgspec.Struct):
    """Model versions, newest first."""

    items: list[ModelView]
    next_cursor: str | None


class Deploy(msgspec.Struct, forbid_unknown_fields=True):
    """A wish to deploy a model."""

    force: bool = False
    note: Annotated[str, msgspec.Meta(max_length=2000, pattern=_WITHOUT_NUL)] | None = None


class Embed(msgspec.Struct, forbid_unknown_fields=True):
    """Texts to embed."""

    texts: Annotated[list[_Text], msgspec.Meta(min_length=1, max_length=256)]
    kind: TextKind
    model_version: Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)] | None = None


class Embedded(msgspec.Struct):
    """The vectors of texts, in their order."""

    vectors: list[list[float]]
    model_version: int


def _state(version: int, collection: Collection, deployed: set[int]) -> ModelState:
    if version == collection.model_version:
        return "deployed"
    return "retired" if version in deployed else "registered"
