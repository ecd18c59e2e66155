"""Keys and the audit log as MongoDB documents."""

from datetime import datetime
from typing import ClassVar

from beanie import Document
from pydantic import BaseModel
from pymongo import ASCENDING, DESCENDING, IndexModel

from embedding_studio.access.domain import Caller, Role

__all__ = ["ApiKey", "AuditEntry", "Retiring"]


class Retiring(BaseModel):
    """The former secret of a key that was rotated."""

    digest: str
    until: datetime


class ApiKey(Document):
    """A key, as much of it as is stored.

    Attributes:
        id: The public half.
        digest: Of the secret.
        retiring: The secret before that, while it works.
        collections: The only ones that it may touch; None: all.
        rate: Requests a second; None: as many as it likes.
    """

    id: str  # type: ignore[assignment]  # Beanie declares an optional ObjectId; ours are strings, always set
    name: str
    role: Role
    collections: list[str] | None
    rate: float | None
    digest: str
    retiring: Retiring | None = None
    created_at: datetime
    rotated_at: datetime | None = None
    expires_at: datetime | None = None
    revoked_at: datetime | None = None

    def digests_at(self, moment: datetime) -> list[str]:
        """Of the secrets that work."""
        if self.retiring and self.retiring.until > moment:
            return [self.digest, self.retiring.digest]
        return [self.digest]

    def has_ended(self, moment: datetime) -> bool:
        """Whether it was revoked, or has expired."""
        return self.revoked_at is not None or (self.expires_at is not None and self.expires_at <= moment)

    @property
    def caller(self) -> Caller:
        """Who sends it."""
        bound = None if self.collections is None else frozenset(self.collections)
        return Caller(self.id, self.role, bound, self.rate)

    class Settings:
        """Collection and indexes."""

        name = "api_keys"


class AuditEntry(Document):
    """Something that an administrator did, or that somebody was refused.

    Attributes:
        id: Sorts by time.
        key_id: None: no key was needed, or none that we know was shown.
        action: Method and route, or the command.
        target: The address as it was asked for, or the id that the command was about.
        status: Of the answer; None: it was begun, and how it ended is not known.
        origin: The address of who asked, or `command line`.
        created: The address of what was made by it.
    """

    id: str  # type: ignore[assignment]  # as above
    key_id: str | None
    action: str
    target: str
    status: int | None
    origin: str | None
    request_id: str | None
    created: str | None = None
    at: datetime
    expires_at: datetime

    class Settings:
        """Collection and indexes."""

        name = "audit"
        indexes: ClassVar = [
            IndexModel([("key_id", ASCENDING), ("_id", DESCENDING)]),
            IndexModel([("expires_at", ASCENDING)], expireAfterSeconds=0),
        ]
