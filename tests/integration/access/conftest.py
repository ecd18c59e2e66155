"""Keys on real servers, with clocks that tests turn."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest

from embedding_studio.access import (
    AccessSettings,
    ApiKey,
    AuditLog,
    AuditRepository,
    KeyRepository,
    Keyring,
    KeyService,
)
from embedding_studio.kernel.time import now
from studio import Studio


class KeysOf(KeyRepository):
    """The real ones, counting look-ups, and failing when told to."""

    def __init__(self) -> None:
        self.looked = 0
        self.failure: Exception | None = None

    async def get(self, key_id: str) -> ApiKey | None:
        self.looked += 1
        if self.failure:
            raise self.failure
        return await super().get(key_id)


@dataclass
class Access:
    """The services of one test."""

    settings: AccessSettings = field(default_factory=lambda: AccessSettings(seen_within=5, outage=60))
    keys: KeysOf = field(default_factory=KeysOf)
    at: datetime = field(default_factory=now)
    seconds: float = 0.0

    def __post_init__(self) -> None:
        self.service = KeyService(keys=self.keys, clock=self.clock, settings=self.settings)
        self.keyring = Keyring(keys=self.keys, clock=self.clock, settings=self.settings, monotonic=lambda: self.seconds)
        self.audit = AuditLog(
            entries=AuditRepository(), clock=self.clock, settings=self.settings, monotonic=lambda: self.seconds
        )

    def clock(self) -> datetime:
        return self.at

    def pass_time(self, seconds: float) -> None:
        self.seconds += seconds
        self.at += timedelta(seconds=seconds)


@pytest.fixture
async def access(studio: Studio) -> AsyncIterator[Access]:  # noqa: ARG001  # its connection
    yield Access()
    await ApiKey.find_all().delete()
