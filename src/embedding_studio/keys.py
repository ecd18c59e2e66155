"""`embedding-studio keys` and `embedding-studio audit`: on the servers that the settings name, without an API."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import TypeVar

from embedding_studio.access import (
    KEYS,
    Action,
    ApiKey,
    AuditEntry,
    AuditEntryView,
    AuditLog,
    AuditRepository,
    KeyRepository,
    KeyService,
    KeyView,
    NewKeyView,
    Role,
)
from embedding_studio.infra.mongo import open_database
from embedding_studio.kernel.errors import StudioError
from embedding_studio.kernel.time import now
from embedding_studio.settings import Settings

__all__ = ["create_key", "list_audit", "list_keys", "revoke_key", "rotate_key"]

_PAGE = 1_000
_NEWEST = "g"
_DONE, _REFUSED = 200, 400

_Result = TypeVar("_Result", bound=KeyView)


async def create_key(
    settings: Settings,
    role: Role,
    *,
    name: str,
    collections: Sequence[str] | None,
    rate: float | None,
    expires_at: datetime | None,
) -> NewKeyView:
    """Make a key; raises as `KeyService.create`."""

    async def create(keys: KeyService) -> NewKeyView:
        made = await keys.create(role, name=name, collections=collections, rate=rate, expires_at=expires_at)
        return NewKeyView.told(*made)

    return await _recorded(settings, "keys create", f"{role} {name}".strip(), create, makes=True)


async def rotate_key(settings: Settings, key_id: str, *, grace: float | None) -> NewKeyView:
    """Give a key another secret; raises as `KeyService.rotate`."""

    async def rotate(keys: KeyService) -> NewKeyView:
        return NewKeyView.told(*await keys.rotate(key_id, grace=grace))

    return await _recorded(settings, "keys rotate", key_id, rotate)


async def revoke_key(settings: Settings, key_id: str) -> KeyView:
    """End a key; raises as `KeyService.revoke`."""

    async def revoke(keys: KeyService) -> KeyView:
        return KeyView.of(await keys.revoke(key_id))

    return await _recorded(settings, "keys revoke", key_id, revoke)


async def list_keys(settings: Settings) -> list[KeyView]:
    """All keys."""
    found: list[ApiKey] = []
    async with _opened(settings) as (keys, _):
        while page := await keys.page(after=found[-1].id if found else "", limit=_PAGE):
            found += page
    return [KeyView.of(one) for one in found]


async def list_audit(
    settings: Settings, *, key_id: str | None, since: datetime | None, until: datetime | None, limit: int
) -> list[AuditEntryView]:
    """The newest entries of the audit log."""
    async with _opened(settings) as (_, audit):
        found = await audit.page(key_id=key_id, since=since, until=until, before=_NEWEST, limit=limit)
    return [AuditEntryView.of(one) for one in found]


async def _recorded(
    settings: Settings,
    command: str,
    target: str,
    act: Callable[[KeyService], Awaitable[_Result]],
    *,
    makes: bool = False,
) -> _Result:
    """Do it, and have it in the audit log, as what is done over HTTP; `makes` says that it makes a key."""
    async with _opened(settings) as (keys, audit):
        entry = await audit.begin(Action(None, command, target, origin="command line"))
        try:
            result = await act(keys)
        except StudioError:
            await audit.end(entry, _REFUSED)
            raise
        await audit.end(entry, _DONE, created=f"{KEYS}/{result.id}" if makes else None)
        return result


@asynccontextmanager
async def _opened(settings: Settings) -> AsyncIterator[tuple[KeyService, AuditLog]]:
    async with open_database(settings.mongo, (ApiKey, AuditEntry)):
        yield (
            KeyService(keys=KeyRepository(), clock=now, settings=settings.access),
            AuditLog(entries=AuditRepository(), clock=now, settings=settings.access),
        )
