"""Sessions: what a search showed. Events: what was done with it."""

from embedding_studio.clickstream.domain import Answer, AnsweredSession, EventType, NewEvent, Rejection, Shown
from embedding_studio.clickstream.errors import SessionNotFoundError
from embedding_studio.clickstream.forgetting import ForgettingService, TrainedSince
from embedding_studio.clickstream.models import Event, Session
from embedding_studio.clickstream.repository import ClickstreamRepository
from embedding_studio.clickstream.service import Accepted, ClickstreamService, NewSession

__all__ = [
    "Accepted",
    "Answer",
    "AnsweredSession",
    "ClickstreamRepository",
    "ClickstreamService",
    "Event",
    "EventType",
    "ForgettingService",
    "NewEvent",
    "NewSession",
    "Rejection",
    "Session",
    "SessionNotFoundError",
    "Shown",
    "TrainedSince",
]
