"""Asking for a better model."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, get_args

from embedding_studio.fine_tuning.jobs import FINE_TUNE
from embedding_studio.fine_tuning.tracks import EncoderTrack, Track
from embedding_studio.inference import ModelService, OtherEncoderError
from embedding_studio.kernel.errors import InvalidError
from embedding_studio.kernel.time import Clock
from embedding_studio.tasks import Idempotency, Task, TaskService
from embedding_studio.vector_store import BASE_MODEL_VERSION, CollectionService

__all__ = ["FineTuningRequest", "FineTuningService"]


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
            OtherEncoderError: The base version goes with another index than the one that serves.
            InvalidError: The collection has no encoder that could be trained on this track.
        """
        collection = await self._collections.current(name)
        encoder = self._collections.plugin_of(collection).encoder
        if encoder is None:
            raise InvalidError.at("track", "this collection's items bring their own vectors: no encoder to adapt")
        if request.track in get_args(EncoderTrack) and encoder.build().kind != "text":
            raise InvalidError.at("track", "an encoder of images is not trained: `query_adapter` adapts its queries")
        base = request.base_version or collection.model_version
        if base != BASE_MODEL_VERSION:
            await self._models.get(collection, base)
        if await self._models.needs_index(collection, base):
            raise OtherEncoderError(base)
        payload: dict[str, object] = {
            "track": request.track,
            "since": request.since,
            "until": request.until or self._clock(),
            "base_version": base,
            "params": request.params or {},
            "deploy": request.deploy,
        }
        return await self._tasks.submit(FINE_TUNE, collection=name, payload=payload, idempotency=idempotency)
