"""From clicks to a model that earned its place."""

from embedding_studio.fine_tuning.service import FineTuningRequest, FineTuningService

__all__ = ["FineTuningRequest", "FineTuningService"]
