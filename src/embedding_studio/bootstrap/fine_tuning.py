"""Training by what was judged."""

from functools import cached_property

from embedding_studio.bootstrap.store import StoreServices
from embedding_studio.fine_tuning import CuratingService, FineTuningService, GateVerifier

__all__ = ["FineTuningServices"]


class FineTuningServices(StoreServices):
    """Orders training, and checks what it claims."""

    @cached_property
    def fine_tuning(self) -> FineTuningService:
        return FineTuningService(collections=self.collections, models=self.models, tasks=self.tasks, clock=self.clock)

    @cached_property
    def curating(self) -> CuratingService:
        return CuratingService(collections=self.collections, curated=self.curated, clock=self.clock)

    @cached_property
    def gate_verifier(self) -> GateVerifier:
        return GateVerifier(collections=self.collections, models=self.models)
