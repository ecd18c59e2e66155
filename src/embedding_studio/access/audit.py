"""The audit log: what administrators did, written before it is answered."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from embedding_studio.access.models import AuditEntry
from embedding_studio.access.repository import AuditRepository
from embedding_studio.access.settings import AccessSettings
from embedding_studio.infra.outages import OUTAGES
from embedding_studio.kernel.ids import new_id
from embedding_studio.kernel.time import Clock

__all__ = ["Action", "AuditLog"]

logger = logging.getLogger(__name__)

_MOST_REFUSALS = 60
_MINUTE = 60.0
_LONGEST = 2_000


@dataclass(frozen=True, slots=True)
class Action:
    """What somebody wants to do; see `AuditEntry`."""

    key_id: str | None
    action: str
    target: str
    origin: str | None = None
    request_id: str | None = None


class AuditLog:
    """Writes and reads the log."""

    def __init__(
        self,
        *,
        entries: AuditRepository,
        clock: Clock,
        settings: AccessSettings,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._entries = entries
        self._clock = clock
        self._kept = timedelta(days=settings.audit_days)
        self._monotonic = monotonic
        self._minute, self._refusals = 0, 0

    async def begin(self, action: Action) -> str:
        """Write down that an action begins; returns the entry's id.

        Raises:
            Exception: One of `OUTAGES`: it was not written down, so it must not be done.
        """
        return await self._write(action, None)

    async def end(self, entry_id: str, status: int, *, created: str | None = None) -> None:
        """Write down how it ended, and the address of what it made; if that fails, the log of the process has it."""
        try:
            await self._entries.end(entry_id, status, created=created)
        except OUTAGES:
            logger.exception("the audit entry %s lacks its end: status %d, made %s", entry_id, status, created)

    async def refuse(self, action: Action, status: int) -> None:
        """Write down that an action was refused: up to 60 a minute of a process, so that none can flood it.

        What it does not write is in the log of the process.
        """
        minute = int(self._monotonic() // _MINUTE)
        if minute != self._minute:
            self._minute, self._refusals = minute, 0
        self._refusals += 1
        if self._refusals <= _MOST_REFUSALS:
            try:
                await self._write(action, status)
            except OUTAGES:
                logger.exception("a refusal is missing in the audit log: %s, status %d", action, status)
        elif self._refusals == _MOST_REFUSALS + 1:
            logger.warning("many requests are refused; the audit log has the first %d of this minute", _MOST_REFUSALS)

    async def page(
        self, *, key_id: str | None, since: datetime | None, until: datetime | None, before: str, limit: int
    ) -> list[AuditEntry]:
        """Entries, newest first, from the one before `before`."""
        return await self._entries.page(key_id=key_id, since=since, until=until, before=before, limit=limit)

    async def _write(self, action: Action, status: int | None) -> str:
        now = self._clock()
        entry = AuditEntry(
            id=new_id(),
            key_id=action.key_id,
            action=action.action,
            target=action.target[:_LONGEST],
            status=status,
            origin=action.origin,
            request_id=action.request_id,
            at=now,
            expires_at=now + self._kept,
        )
        await self._entries.add(entry)
        return entry.id
