"""Making keys, looking at them, and ending them."""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta

from embedding_studio.access.credentials import digest, new_credential
from embedding_studio.access.domain import Role
from embedding_studio.access.errors import KeyEndedError, KeyNotFoundError
from embedding_studio.access.models import ApiKey
from embedding_studio.access.repository import KeyRepository
from embedding_studio.access.settings import AccessSettings
from embedding_studio.kernel.errors import InvalidError
from embedding_studio.kernel.time import Clock

__all__ = ["KeyService"]

_COLLECTION = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_MOST_COLLECTIONS = 1_000
_LONGEST_NAME = 200
_RATES = (0.001, 1_000_000.0)


class KeyService:
    """Keys, whose secrets are told once and never stored."""

    def __init__(self, *, keys: KeyRepository, clock: Clock, settings: AccessSettings) -> None:
        self._keys = keys
        self._clock = clock
        self._settings = settings

    async def create(
        self,
        role: Role,
        *,
        name: str = "",
        collections: Sequence[str] | None = None,
        rate: float | None = None,
        expires_at: datetime | None = None,
    ) -> tuple[ApiKey, str]:
        """Make a key; returns it, and the text that its holder sends.

        Args:
            role: What it may do.
            name: What it is for, for people.
            collections: The only ones it may touch, which need not be there yet; None: all.
            rate: Requests a second, of which as many may come at once; None: no limit.
            expires_at: When it ends by itself.

        Raises:
            InvalidError: A value is out of range; names it.
        """
        now = self._clock()
        _check(role, name=name, collections=collections, rate=rate)
        if expires_at is not None and expires_at <= now:
            raise InvalidError.at("expires_at", "lies in the past")
        credential = new_credential()
        key = ApiKey(
            id=credential.id,
            name=name,
            role=role,
            collections=None if collections is None else sorted(set(collections)),
            rate=rate,
            digest=digest(credential.secret),
            created_at=now,
            expires_at=expires_at,
        )
        await self._keys.add(key)
        return key, credential.text

    async def page(self, *, after: str, limit: int) -> list[ApiKey]:
        """Keys by id, those that have ended too."""
        return await self._keys.page(after=after, limit=limit)

    async def rotate(self, key_id: str, *, grace: float | None = None) -> tuple[ApiKey, str]:
        """Give a key another secret; returns the key, and the text that its holder sends from now on.

        The former secret works for `grace` seconds, or as long as the settings say; one that was retiring works no
        longer.

        Raises:
            KeyNotFoundError: There is no such key.
            KeyEndedError: It was revoked or has expired.
        """
        credential = new_credential(key_id)
        now = self._clock()
        until = now + timedelta(seconds=self._settings.rotation_grace if grace is None else grace)
        key = await self._keys.rotate(key_id, digest=digest(credential.secret), until=until, at=now)
        if key is None:
            raise KeyEndedError(key_id) if await self._keys.get(key_id) else KeyNotFoundError(key_id)
        return key, credential.text

    async def revoke(self, key_id: str) -> ApiKey:
        """End a key; every process refuses it within the settings' `seen_within`.

        Raises:
            KeyNotFoundError: There is no such key.
        """
        key = await self._keys.revoke(key_id, at=self._clock())
        if key is None:
            raise KeyNotFoundError(key_id)
        return key


def _check(role: Role, *, name: str, collections: Sequence[str] | None, rate: float | None) -> None:
    if len(name) > _LONGEST_NAME or not name.isprintable():
        raise InvalidError.at("name", f"must be up to {_LONGEST_NAME} printable characters")
    if collections is not None:
        _check_collections(role, collections)
    least, most = _RATES
    if rate is not None and not least <= rate <= most:
        raise InvalidError.at("rate", f"must be {least} to {most:,.0f} requests a second")


def _check_collections(role: Role, collections: Sequence[str]) -> None:
    if role == "metrics":
        raise InvalidError.at("collections", "metrics are of all collections")
    if not 1 <= len(collections) <= _MOST_COLLECTIONS:
        raise InvalidError.at("collections", f"must be 1 to {_MOST_COLLECTIONS:,} names")
    for index, one in enumerate(collections):
        if not _COLLECTION.fullmatch(one):
            raise InvalidError.at(f"collections[{index}]", "is no name of a collection")
