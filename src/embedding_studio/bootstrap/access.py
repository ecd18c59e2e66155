"""Who may do what."""

from functools import cached_property

from embedding_studio.access import AuditLog, AuditRepository, Keyring, KeyService, RateLimiter
from embedding_studio.bootstrap.resources import Resources

__all__ = ["AccessServices"]


class AccessServices(Resources):
    """Knows keys, and what was done with them."""

    @cached_property
    def keys(self) -> KeyService:
        return KeyService(keys=self._key_repository, clock=self.clock, settings=self.settings.access)

    @cached_property
    def keyring(self) -> Keyring:
        return Keyring(keys=self._key_repository, clock=self.clock, settings=self.settings.access)

    @cached_property
    def rates(self) -> RateLimiter:
        return RateLimiter(self._redis)

    @cached_property
    def audit(self) -> AuditLog:
        return AuditLog(entries=AuditRepository(), clock=self.clock, settings=self.settings.access)
