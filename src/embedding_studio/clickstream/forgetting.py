"""Forgetting a user."""

from collections.abc import Awaitable, Callable
from datetime import datetime

from embedding_studio.clickstream.jobs import FORGET
from embedding_studio.clickstream.repository import ClickstreamRepository
from embedding_studio.tasks import Idempotency, Outcome, Run, Task, TaskService

__all__ = ["ForgettingService", "TrainedSince"]

TrainedSince = Callable[[str, datetime], Awaitable[list[int]]]
"""The model versions of a collection that were trained at or after a time."""


class ForgettingService:
    """Deletes a user's sessions and events, and names the models that may have learned from them."""

    def __init__(self, *, repository: ClickstreamRepository, tasks: TaskService, trained_since: TrainedSince) -> None:
        self._repository = repository
        self._tasks = tasks
        self._trained_since = trained_since

    async def request(self, user_id: str, *, idempotency: Idempotency | None = None) -> Task:
        """Accept the wish to be forgotten."""
        return await self._tasks.submit(FORGET, collection=None, payload={"user_id": user_id}, idempotency=idempotency)

    async def run(self, run: Run) -> Outcome:
        """Delete, and tell what may remain in models."""
        user_id = run.payload["user_id"]
        if "model_versions" not in run.payload:
            first_seen = await self._repository.first_sessions(user_id)
            await run.remember(
                model_versions={name: await self._trained_since(name, at) for name, at in first_seen.items()}
            )
        sessions, events = await self._repository.delete_user(user_id)
        return Outcome(
            result={"sessions": sessions, "events": events, "model_versions": run.payload["model_versions"]},
        )
