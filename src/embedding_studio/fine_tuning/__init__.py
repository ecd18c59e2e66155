"""From clicks to a model that earned its place."""

from embedding_studio.fine_tuning.service import FineTuningRequest, FineTuningService
from embedding_studio.fine_tuning.settings import FineTuningSettings

__all__ = ["FineTuningRequest", "FineTuningService", "FineTuningSettings"]
