"""Shadows: a candidate that answers a share of the searches as well, in the background, and is never seen."""

from embedding_studio.shadow.domain import Answer, Compared, Counts, LiveShadow
from embedding_studio.shadow.errors import NoIndexForShadowError, ShadowExistsError, ShadowNotFoundError
from embedding_studio.shadow.models import MirroredSearch, Shadow
from embedding_studio.shadow.repository import ShadowRepository
from embedding_studio.shadow.service import ShadowReport, ShadowService
from embedding_studio.shadow.settings import ShadowSettings
from embedding_studio.shadow.watching import Shadows

__all__ = [
    "Answer",
    "Compared",
    "Counts",
    "LiveShadow",
    "MirroredSearch",
    "NoIndexForShadowError",
    "Shadow",
    "ShadowExistsError",
    "ShadowNotFoundError",
    "ShadowReport",
    "ShadowRepository",
    "ShadowService",
    "ShadowSettings",
    "Shadows",
]
