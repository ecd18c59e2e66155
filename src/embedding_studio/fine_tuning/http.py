"""POST …/fine-tuning."""

from litestar import Controller, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from embedding_studio.fine_tuning.schemas import FineTuningIn
from embedding_studio.fine_tuning.service import FineTuningService
from embedding_studio.tasks import Accepted, Idempotency

__all__ = ["FineTuningController"]


class FineTuningController(Controller):
    """Better models from what users did."""

    path = "/api/v1/collections/{name:str}/fine-tuning"
    tags = ("learning",)

    @post(status_code=202)
    async def fine_tune(
        self,
        fine_tuning: NamedDependency[FineTuningService],
        idempotency: NamedDependency[Idempotency | None],
        name: FromPath[str],
        data: JSONBody[FineTuningIn],
    ) -> Accepted:
        """Train a model on recorded sessions, judge it, and deploy it if it earned that."""
        task = await fine_tuning.submit(name, data.to_domain(), idempotency=idempotency)
        return Accepted(task.id)
