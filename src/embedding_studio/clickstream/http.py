"""The endpoints of sessions and events."""

from litestar import Controller, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from embedding_studio.clickstream.forgetting import ForgettingService
from embedding_studio.clickstream.schemas import EventBatch, EventsAccepted, RejectedView, SessionView
from embedding_studio.clickstream.service import ClickstreamService
from embedding_studio.kernel.storable import refuse_unstorable
from embedding_studio.tasks import Accepted, Idempotency

__all__ = ["ClickstreamController"]

_MAX_BODY = 2_000_000  # also as a MongoDB document, in which `1,` takes thirteen bytes, this is under 16 MB


class ClickstreamController(Controller):
    """What was shown and what was done with it."""

    path = "/api/v1"
    tags = ("clickstream",)
    request_max_body_size = _MAX_BODY

    @post("/events", status_code=202)
    async def send_events(
        self,
        clickstream: NamedDependency[ClickstreamService],
        data: JSONBody[EventBatch],
    ) -> EventsAccepted:
        """Send what users did with what they were shown."""
        answer = await clickstream.accept([event.to_domain() for event in data.events])
        rejected = [RejectedView(one.index, one.reason) for one in answer.rejected]
        return EventsAccepted(answer.accepted, answer.duplicates, rejected)

    @get("/sessions/{session_id:str}")
    async def get_session(
        self,
        clickstream: NamedDependency[ClickstreamService],
        session_id: FromPath[str],
    ) -> SessionView:
        """Look at a session with its events."""
        return SessionView.of(*await clickstream.get(session_id))

    @delete("/users/{user_id:str}", status_code=202)
    async def forget_user(
        self,
        forgetting: NamedDependency[ForgettingService],
        idempotency: NamedDependency[Idempotency | None],
        user_id: FromPath[str],
    ) -> Accepted:
        """Forget a user: sessions and events go, and the task names the models that may have learned from them."""
        refuse_unstorable(user_id, "user_id")
        task = await forgetting.request(user_id, idempotency=idempotency)
        return Accepted(task.id)
