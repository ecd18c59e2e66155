"""Asking for a better model."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from embedding_studio.fine_tuning.jobs import FINE_TUNE
from embedding_studio.inference import ModelService
from embedding_studio.kernel.errors import InvalidError
from embedding_studio.kernel.time import Clock
from embedding_studio.tasks import Idempotency, Task, TaskService
from embedding_studio.vector_store import BASE_MODEL_VERSION, CollectionService

__all__ = ["FineTuningRequest", "FineTuningService", "Track"]

Track = Literal["query_adapter"]


@dataclass(frozen=True, slots=True)
class FineTuningRequest:
    """What to train, on which sessions, from which version.

    Attributes:
        since: Sessions from this time on; None: from the first.
        until: Sessions before this time; None: until now.
        base_version: Where training starts; None: the deployed version.
        params: Settings of the track that differ from its defaults.
        deploy: Whether a model that the gate promotes is deployed at once.
    """

    track: Track = "query_adapter"
    since: datetime | None = None
    until: datetime | None = None
    base_version: int | None = None
    params: dict[str, Any] | None = None
    deploy: Literal["never", "if_better"] = "if_better"


class FineTuningService:
    """Accepts the work; a finetune worker does it."""

    def __init__(
        self,
        *,
        collections: CollectionService,
        models: ModelService,
        tasks: TaskService,
        clock: Clock,
    ) -> None:
        self._collections = collections
        self._models = models
        self._tasks = tasks
        self._clock = clock

    async def submit(
        self,
        name: str,
        request: FineTuningRequest,
        *,
        idempotency: Idempotency | None = None,
    ) -> Task:
        """Accept a fine-tuning.

        Raises:
            CollectionNotFoundError: There is no such collection.
            ModelNotFoundError: There is no such base version.
            InvalidError: The collection has no encoder whose queries could be adapted.
        """
        collection = await self._collections.current(name)
        if self._collections.plugin_of(collection).gives_vectors:
            raise InvalidError.at("track", "this collection's items bring their own vectors: no encoder to adapt")
        base = request.base_version or collection.model_version
        if base != BASE_MODEL_VERSION:
            await self._models.get(collection, base)
        payload: dict[str, object] = {
            "track": request.track,
            "since": request.since,
            "until": request.until or self._clock(),
            "base_version": base,
            "params": request.params or {},
            "deploy": request.deploy,
        }
        return await self._tasks.submit(FINE_TUNE, collection=name, payload=payload, idempotency=idempotency)
