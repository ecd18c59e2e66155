"""Models as training would leave them behind."""

from typing import Any

import numpy as np

from embedding_studio.inference import ModelVersion, NewModel, QueryAdapter
from embedding_studio.kernel.ids import new_id
from embedding_studio.vector_store import Collection
from studio import Studio

__all__ = ["adapter", "register"]


def adapter(seed: int, *, dimensions: int = 384, strength: float = 3.0) -> QueryAdapter:
    """An adapter that turns queries far enough to change what they find."""
    random = np.random.default_rng(seed)
    down = random.normal(size=(4, dimensions)).astype(np.float32)
    up = (strength * random.normal(size=(dimensions, 4)) / dimensions).astype(np.float32)
    return QueryAdapter(down=down, up=up)


async def register(
    studio: Studio, collection: Collection, decision: str = "promote", *, seed: int = 1, **fields: Any
) -> ModelVersion:
    """Register a model with the gate's decision on it."""
    new: dict[str, Any] = {
        "task_id": new_id(),
        "track": "query_adapter",
        "parent": 1,
        "compared_with": collection.deployment_id,
        "adapter": adapter(seed),
        "gate_record": b"{}",
        "result": {"gate": {"decision": decision, "reasons": []}, "metrics": {"ndcg@10": {"delta": 0.1}}},
    }
    return await studio.container.models.register(collection, NewModel(**(new | fields)))
