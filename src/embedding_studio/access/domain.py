"""Who may do what: roles, what a route needs, and who calls."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from embedding_studio.kernel.errors import ForbiddenError

__all__ = ["ANYONE", "KEYS", "LOCKED", "NEEDS", "Caller", "Needs", "Role", "needs", "open_to_all"]

KEYS = "/api/v1/keys"
"""Where keys are made and looked at."""

Role = Literal["search", "ingest", "admin", "metrics"]

_INCLUDES: Mapping[Role, frozenset[Role]] = {
    "search": frozenset({"search"}),
    "ingest": frozenset({"search", "ingest"}),
    "admin": frozenset({"search", "ingest", "admin", "metrics"}),
    "metrics": frozenset({"metrics"}),
}

NEEDS = "needs"
"""Under this name a route's `opt` says what it needs."""


@dataclass(frozen=True, slots=True)
class Needs:
    """What a route asks of who calls it.

    Attributes:
        role: The smallest role that may; None: anyone may, without a key.
        minds_grants: Whether the handler itself sees to it that a key bound to collections touches no other. Of a
            route that does not, and whose address names no collection, such a key is kept away.
    """

    role: Role | None
    minds_grants: bool = False


LOCKED = Needs("admin")
"""Of a route that says nothing."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sent a request.

    Attributes:
        key_id: None: nobody's key was needed.
        collections: The only ones that it may touch; None: all.
        rate: Requests a second that it may send; None: as many as it likes.
    """

    key_id: str | None
    role: Role
    collections: frozenset[str] | None = None
    rate: float | None = None

    def has(self, role: Role) -> bool:
        """Whether its role includes this one."""
        return role in _INCLUDES[self.role]

    def may_touch(self, collection: str | None) -> bool:
        """Whether it may touch the collection; what belongs to none, such as some tasks, is for unbound keys."""
        return self.collections is None or collection in self.collections

    def require(self, collection: str | None) -> None:
        """Go on if it may touch the collection.

        Raises:
            ForbiddenError: It may not, whether there is such a collection or not.
        """
        if not self.may_touch(collection):
            what = "what belongs to all collections" if collection is None else f"the collection {collection!r}"
            raise ForbiddenError(f"this key is not granted {what}")


ANYONE = Caller(None, "admin")
"""Who calls where no keys are required: only this machine can."""


def needs(role: Role, *, minds_grants: bool = False) -> dict[str, Any]:
    """The `opt` of a route that needs at least this role; see `Needs`."""
    return {NEEDS: Needs(role, minds_grants)}


def open_to_all() -> dict[str, Any]:
    """The `opt` of a route that needs no key."""
    return {NEEDS: Needs(None)}
