"""Sessions: what a search showed. Events: what was done with it."""

from embedding_studio.clickstream.domain import Answer, AnsweredSession, EventType, NewEvent, RejectedEvent, Shown
from embedding_studio.clickstream.errors import SessionExistsError, SessionNotFoundError
from embedding_studio.clickstream.event_doctor import EventDoctor, EventReport
from embedding_studio.clickstream.findings import EventFinding
from embedding_studio.clickstream.forgetting import ForgettingService, OnForget, TrainedSince
from embedding_studio.clickstream.intake import IntakeDay
from embedding_studio.clickstream.models import Event, Session
from embedding_studio.clickstream.outcomes import METRICS, PREFERENCE, ArmOutcomes, Outcomes, OutcomesOf
from embedding_studio.clickstream.quality import QualityService
from embedding_studio.clickstream.reporting import Reporting
from embedding_studio.clickstream.repository import ClickstreamRepository
from embedding_studio.clickstream.retention import Retention
from embedding_studio.clickstream.schemas import ExportedSession
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
    "METRICS",
    "PREFERENCE",
    "Accepted",
    "Answer",
    "AnsweredSession",
    "ArmOutcomes",
    "ClickstreamRepository",
    "ClickstreamService",
    "ClickstreamSettings",
    "Event",
    "EventDoctor",
    "EventFinding",
    "EventReport",
    "EventType",
    "ExportedSession",
    "ForgettingService",
    "IntakeDay",
    "NewEvent",
    "NewSession",
    "OnEvents",
    "OnForget",
    "OnIrrelevant",
    "Outcomes",
    "OutcomesOf",
    "QualityService",
    "RejectedEvent",
    "Reporting",
    "Retention",
    "Session",
    "SessionExistsError",
    "SessionNotFoundError",
    "Shown",
    "Span",
    "TrainedSince",
]
