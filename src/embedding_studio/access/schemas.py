"""Keys and the audit log on the wire."""

from datetime import datetime
from typing import Annotated, Any

import msgspec

from embedding_studio.access.domain import Role
from embedding_studio.access.models import ApiKey, AuditEntry

__all__ = ["AuditEntryView", "AuditPage", "KeyIn", "KeyPage", "KeyView", "NewKeyView", "RotateIn"]

_MONTH_S = 2_592_000


class KeyIn(msgspec.Struct, forbid_unknown_fields=True):
    """A key that is wanted."""

    role: Role
    name: str = ""
    collections: list[str] | None = None
    rate: float | None = None
    expires_at: Annotated[datetime, msgspec.Meta(tz=True)] | None = None


class RotateIn(msgspec.Struct, forbid_unknown_fields=True):
    """How a key is rotated: for so many seconds the former secret works, or as long as the settings say."""

    grace: Annotated[float, msgspec.Meta(ge=0, le=_MONTH_S)] | None = None


class KeyView(msgspec.Struct, kw_only=True):
    """A key, without its secret.

    Attributes:
        retiring_until: So long the secret before the last rotation works, or worked.
    """

    id: str
    name: str
    role: Role
    collections: list[str] | None
    rate: float | None
    created_at: datetime
    rotated_at: datetime | None
    retiring_until: datetime | None
    expires_at: datetime | None
    revoked_at: datetime | None

    @classmethod
    def of(cls, key: ApiKey) -> "KeyView":
        """The key as clients see it."""
        return cls(**_fields(key))


class NewKeyView(KeyView, kw_only=True):
    """A key with its secret, which is told once."""

    key: str

    @classmethod
    def told(cls, key: ApiKey, text: str) -> "NewKeyView":
        """The key, and the text that its holder sends."""
        return cls(**_fields(key), key=text)


class KeyPage(msgspec.Struct):
    """Keys by id."""

    items: list[KeyView]
    next_cursor: str | None


class AuditEntryView(msgspec.Struct):
    """Something that an administrator did, or that somebody was refused; `status` is null if its end is not known.

    `created` is the address of the key that was made by it.
    """

    id: str
    at: datetime
    key_id: str | None
    action: str
    target: str
    status: int | None
    origin: str | None
    request_id: str | None
    created: str | None

    @classmethod
    def of(cls, entry: AuditEntry) -> "AuditEntryView":
        """The entry as clients see it."""
        return cls(
            entry.id,
            entry.at,
            entry.key_id,
            entry.action,
            entry.target,
            entry.status,
            entry.origin,
            entry.request_id,
            entry.created,
        )


class AuditPage(msgspec.Struct):
    """Entries, newest first."""

    items: list[AuditEntryView]
    next_cursor: str | None


def _fields(key: ApiKey) -> dict[str, Any]:
    same = ("id", "name", "role", "collections", "rate", "created_at", "rotated_at", "expires_at", "revoked_at")
    retiring = key.retiring.until if key.retiring else None
    return {name: getattr(key, name) for name in same} | {"retiring_until": retiring}
