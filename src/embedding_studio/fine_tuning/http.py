"""POST …/fine-tuning, and the gate's records."""

from litestar import Controller, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from embedding_studio.fine_tuning.schemas import FineTuningIn
from embedding_studio.fine_tuning.service import FineTuningService
from embedding_studio.fine_tuning.verification import GateVerifier, VerifiedGate
from embedding_studio.tasks import Accepted, Idempotency

__all__ = ["FineTuningController", "GateController"]


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


class GateController(Controller):
    """Why a model was promoted or not."""

    path = "/api/v1/collections/{name:str}/models/{version:int}/gate"
    tags = ("learning",)

    @get()
    async def verify_gate(
        self, gate_verifier: NamedDependency[GateVerifier], name: FromPath[str], version: FromPath[int]
    ) -> VerifiedGate:
        """Look at the gate's record of a model, and make its decision again from the stored evidence."""
        return await gate_verifier.verify(name, version)
