"""Forgetting a user."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime

from embedding_studio.clickstream.jobs import FORGET
from embedding_studio.clickstream.repository import ClickstreamRepository
from embedding_studio.tasks import Idempotency, Outcome, Run, Task, TaskService

__all__ = ["ForgettingService", "OnForget", "TrainedSince"]

TrainedSince = Callable[[str, datetime], Awaitable[list[int]]]
"""The model versions of a collection that were trained at or after a time."""

OnForget = Callable[[str], Awaitable[Mapping[str, int]]]
"""Deletes what another context keeps of a user, and says how much that was, by name; perhaps asked more than once."""


class ForgettingService:
    """Deletes a user's sessions and events, and names the models that may have learned from them."""

    def __init__(
        self,
        *,
        repository: ClickstreamRepository,
        tasks: TaskService,
        trained_since: TrainedSince,
        on_forget: Sequence[OnForget] = (),
    ) -> None:
        self._repository = repository
        self._tasks = tasks
        self._trained_since = trained_since
        self._on_forget = on_forget

    async def request(self, user_id: str, *, idempotency: Idempotency | None = None) -> Task:
        """Accept the wish to be forgotten."""
        return await self._tasks.submit(FORGET, collection=None, payload={"user_id": user_id}, idempotency=idempotency)

    async def run(self, run: Run) -> Outcome:
        """Delete, and tell what may remain in models.

        The sessions go first: what learns from them finds nothing any more when it is asked to forget.
        """
        user_id = run.payload["user_id"]
        if "model_versions" not in run.payload:
            first_seen = await self._repository.first_sessions(user_id)
            await run.remember(
                model_versions={name: await self._trained_since(name, at) for name, at in first_seen.items()}
            )
        sessions, events = await self._repository.delete_user(user_id)
        deleted = {"sessions": sessions, "events": events}
        for forget in self._on_forget:
            deleted |= await forget(user_id)
        return Outcome(result={**deleted, "model_versions": run.payload["model_versions"]})
