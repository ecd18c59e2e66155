"""From clicks to a model that earned its place."""

from embedding_studio.fine_tuning.click_model import Trials, fit_clicks
from embedding_studio.fine_tuning.clicks import Click, Page, normalize_query
from embedding_studio.fine_tuning.judgments import judge
from embedding_studio.fine_tuning.service import FineTuningRequest, FineTuningService
from embedding_studio.fine_tuning.settings import FineTuningSettings

__all__ = ["FineTuningRequest", "FineTuningService", "FineTuningSettings"]
