"""From clicks to a model that earned its place."""

from embedding_studio.fine_tuning.bootstrap import Comparison
from embedding_studio.fine_tuning.click_model import Trials, fit_clicks
from embedding_studio.fine_tuning.clicks import Click, Page, normalize_query
from embedding_studio.fine_tuning.curating import CuratingService
from embedding_studio.fine_tuning.gate import Fidelity, GateEvidence, GateRecord, GroupOutcome, decide
from embedding_studio.fine_tuning.judgments import judge
from embedding_studio.fine_tuning.models import Curated
from embedding_studio.fine_tuning.repository import CuratedRepository
from embedding_studio.fine_tuning.service import FineTuningRequest, FineTuningService
from embedding_studio.fine_tuning.settings import FineTuningSettings
from embedding_studio.fine_tuning.verification import GateVerifier, VerifiedGate

__all__ = [
    "Click",
    "Comparison",
    "Curated",
    "CuratedRepository",
    "CuratingService",
    "Fidelity",
    "FineTuningRequest",
    "FineTuningService",
    "FineTuningSettings",
    "GateEvidence",
    "GateRecord",
    "GateVerifier",
    "GroupOutcome",
    "Page",
    "Trials",
    "VerifiedGate",
    "decide",
    "fit_clicks",
    "judge",
    "normalize_query",
]
