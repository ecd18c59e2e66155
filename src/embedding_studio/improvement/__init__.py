"""What users chose lately, remembered by what they asked: an improvement within a second."""

from embedding_studio.improvement.announcing import Announcer
from embedding_studio.improvement.backlog import Backlog
from embedding_studio.improvement.directions import Directions
from embedding_studio.improvement.domain import Click
from embedding_studio.improvement.errors import MemoryBusyError
from embedding_studio.improvement.models import Unlearned
from embedding_studio.improvement.repository import LOOKUP_SETTINGS, MemoryRepository
from embedding_studio.improvement.service import ImprovementService

__all__ = [
    "LOOKUP_SETTINGS",
    "Announcer",
    "Backlog",
    "Click",
    "Directions",
    "ImprovementService",
    "MemoryBusyError",
    "MemoryRepository",
    "Unlearned",
]
