"""Who may use the API: keys, roles, grants, rates, and a log of what administrators did."""

from embedding_studio.access.addresses import is_loopback, require_loopback
from embedding_studio.access.audit import Action, AuditLog
from embedding_studio.access.credentials import KEY_VARIABLE, authorization
from embedding_studio.access.domain import ANYONE, KEYS, LOCKED, NEEDS, Caller, Needs, Role, needs, open_to_all
from embedding_studio.access.errors import KeyEndedError, KeyNotFoundError
from embedding_studio.access.keyring import Keyring
from embedding_studio.access.models import ApiKey, AuditEntry
from embedding_studio.access.rates import RateLimiter
from embedding_studio.access.repository import AuditRepository, KeyRepository
from embedding_studio.access.schemas import AuditEntryView, KeyView, NewKeyView
from embedding_studio.access.service import KeyService
from embedding_studio.access.settings import AccessSettings

__all__ = [
    "ANYONE",
    "KEYS",
    "KEY_VARIABLE",
    "LOCKED",
    "NEEDS",
    "AccessSettings",
    "Action",
    "ApiKey",
    "AuditEntry",
    "AuditEntryView",
    "AuditLog",
    "AuditRepository",
    "Caller",
    "KeyEndedError",
    "KeyNotFoundError",
    "KeyRepository",
    "KeyService",
    "KeyView",
    "Keyring",
    "Needs",
    "NewKeyView",
    "RateLimiter",
    "Role",
    "authorization",
    "is_loopback",
    "needs",
    "open_to_all",
    "require_loopback",
]
