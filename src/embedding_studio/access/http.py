"""The endpoints of keys and of the audit log, for administrators of the whole installation."""

from typing import Annotated

from litestar import Controller, Response, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from embedding_studio.access.audit import AuditLog
from embedding_studio.access.domain import KEYS, needs
from embedding_studio.access.schemas import (
    AuditEntryView,
    AuditPage,
    KeyIn,
    KeyPage,
    KeyView,
    NewKeyView,
    RotateIn,
)
from embedding_studio.access.service import KeyService
from embedding_studio.kernel.time import read_time

__all__ = ["AuditController", "KeyController"]

_MAX_BODY = 200_000
_UNCACHED = {"Cache-Control": "no-store"}
_NEWEST = "g"
_KeyId = Annotated[str | None, QueryParameter(pattern="^[0-9a-f]{16}$")]


class KeyController(Controller):
    """Keys of the API."""

    path = KEYS
    tags = ("access",)
    opt = needs("admin")
    request_max_body_size = _MAX_BODY

    @post()
    async def create_key(self, keys: NamedDependency[KeyService], data: JSONBody[KeyIn]) -> Response[NewKeyView]:
        """Make a key; its secret is told this once."""
        made = await keys.create(
            data.role, name=data.name, collections=data.collections, rate=data.rate, expires_at=data.expires_at
        )
        headers = {**_UNCACHED, "Location": f"{KEYS}/{made[0].id}"}
        return Response(NewKeyView.told(*made), status_code=201, headers=headers)

    @get()
    async def list_keys(
        self,
        keys: NamedDependency[KeyService],
        cursor: _KeyId = None,
        limit: Annotated[int, QueryParameter(ge=1, le=1000)] = 100,
    ) -> KeyPage:
        """List keys, those that have ended too."""
        found = await keys.page(after=cursor or "", limit=limit)
        return KeyPage([KeyView.of(one) for one in found], found[-1].id if len(found) == limit else None)

    @post("/{key_id:str}/rotate", status_code=200)
    async def rotate_key(
        self, keys: NamedDependency[KeyService], key_id: FromPath[str], data: JSONBody[RotateIn | None] = None
    ) -> Response[NewKeyView]:
        """Give a key another secret, which is told this once; the former one works for some time."""
        rotated = await keys.rotate(key_id, grace=(data or RotateIn()).grace)
        return Response(NewKeyView.told(*rotated), headers=_UNCACHED)

    @delete("/{key_id:str}")
    async def revoke_key(self, keys: NamedDependency[KeyService], key_id: FromPath[str]) -> None:
        """End a key."""
        await keys.revoke(key_id)


class AuditController(Controller):
    """What administrators did, and what was refused."""

    path = "/api/v1/audit"
    tags = ("access",)
    opt = needs("admin")

    @get()
    async def list_audit(
        self,
        audit: NamedDependency[AuditLog],
        key_id: _KeyId = None,
        since: FromQuery[str | None] = None,
        until: FromQuery[str | None] = None,
        cursor: Annotated[str | None, QueryParameter(pattern="^[0-9a-f]{32}$")] = None,
        limit: Annotated[int, QueryParameter(ge=1, le=1000)] = 100,
    ) -> AuditPage:
        """List the audit log, newest first."""
        found = await audit.page(
            key_id=key_id,
            since=None if since is None else read_time(since, "since"),
            until=None if until is None else read_time(until, "until"),
            before=cursor or _NEWEST,
            limit=limit,
        )
        return AuditPage([AuditEntryView.of(one) for one in found], found[-1].id if len(found) == limit else None)
