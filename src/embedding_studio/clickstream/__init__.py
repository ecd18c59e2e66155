"""Sessions: what a search showed. Events: what was done with it."""

from embedding_studio.clickstream.domain import Answer, AnsweredSession, EventType, NewEvent, RejectedEvent, Shown
from embedding_studio.clickstream.errors import SessionExistsError, SessionNotFoundError
from embedding_studio.clickstream.forgetting import ForgettingService, OnForget, TrainedSince
from embedding_studio.clickstream.models import Event, Session
from embedding_studio.clickstream.repository import ClickstreamRepository
from embedding_studio.clickstream.service import (
    Accepted,
    ClickstreamService,
    NewSession,
    OnEvents,
    OnIrrelevant,
)
from embedding_studio.clickstream.settings import ClickstreamSettings
from embedding_studio.clickstream.timeline import Span

__all__ = [
    "Accepted",
    "Answer",
    "AnsweredSession",
    "ClickstreamRepository",
    "ClickstreamService",
    "ClickstreamSettings",
    "Event",
    "EventType",
    "ForgettingService",
    "NewEvent",
    "NewSession",
    "OnEvents",
    "OnForget",
    "OnIrrelevant",
    "RejectedEvent",
    "Session",
    "SessionExistsError",
    "SessionNotFoundError",
    "Shown",
    "Span",
    "TrainedSince",
]
