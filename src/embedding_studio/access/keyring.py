"""Which caller a key stands for, without asking the database each time."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from embedding_studio.access.credentials import is_one_of, read_credential
from embedding_studio.access.domain import Caller
from embedding_studio.access.models import ApiKey
from embedding_studio.access.repository import KeyRepository
from embedding_studio.access.settings import AccessSettings
from embedding_studio.infra.outages import OUTAGES
from embedding_studio.kernel.errors import UnauthenticatedError
from embedding_studio.kernel.sharing import SharedWork
from embedding_studio.kernel.time import Clock

__all__ = ["Keyring"]

_MOST = 10_000
_DEADLINE = 1.0
_NO_SUCH_SECRET = "0" * 64


@dataclass(frozen=True, slots=True)
class _Seen:
    """A key as it was read; None: there was none. Times are the process's own."""

    key: ApiKey | None
    read_at: float
    good_until: float


class Keyring:
    """The keys that this process has seen, each at most `seen_within` seconds old.

    While MongoDB does not answer, a key that was seen is believed for `outage` seconds: revoking it would need MongoDB
    too. Unknown ids are remembered as well, so that repeating them costs no look-ups.
    """

    def __init__(
        self,
        *,
        keys: KeyRepository,
        clock: Clock,
        settings: AccessSettings,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._keys = keys
        self._clock = clock
        self._settings = settings
        self._monotonic = monotonic
        self._seen: dict[str, _Seen] = {}
        self._looking = SharedWork[str, _Seen]()

    async def caller(self, text: str) -> Caller:
        """Who sends this key.

        Raises:
            UnauthenticatedError: It is no key, is unknown, was revoked or has expired. An id without its secret is told
                no more than an unknown one.
            Exception: One of `OUTAGES`: MongoDB does not answer, and the key was not seen lately.
        """
        credential = read_credential(text)
        if credential is None:
            raise UnauthenticatedError("this is not a key")
        key = (await self._look(credential.id)).key
        now = self._clock()
        digests = key.digests_at(now) if key else [_NO_SUCH_SECRET]
        if not is_one_of(credential.secret, digests) or key is None:
            raise UnauthenticatedError("the key is not valid")
        if key.has_ended(now):
            raise UnauthenticatedError("the key was revoked or has expired")
        return key.caller

    async def _look(self, key_id: str) -> _Seen:
        seen = self._seen.get(key_id)
        if seen and self._monotonic() < seen.good_until:
            return seen
        return await self._looking.get(key_id, lambda: self._read(key_id, seen))

    async def _read(self, key_id: str, before: _Seen | None) -> _Seen:
        """Read the key; while that cannot be done, go on with what was read `before`, if that is not too old."""
        moment = self._monotonic()
        within = self._settings.seen_within
        try:
            async with asyncio.timeout(_DEADLINE):
                key = await self._keys.get(key_id)
        except OUTAGES:
            if before is None or moment - before.read_at >= self._settings.outage:
                raise
            return self._keep(key_id, _Seen(before.key, before.read_at, self._monotonic() + within))
        return self._keep(key_id, _Seen(key, moment, moment + within))

    def _keep(self, key_id: str, seen: _Seen) -> _Seen:
        self._seen.pop(key_id, None)
        if len(self._seen) >= _MOST:
            self._seen.pop(next(iter(self._seen)))
        self._seen[key_id] = seen
        return seen
