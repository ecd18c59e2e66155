"""The one door: who calls, whether that is enough for the route, and whether it is not too often."""

import math
from collections.abc import Callable, Iterable, Sequence

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

from embedding_studio.access import (
    ANYONE,
    LOCKED,
    NEEDS,
    Action,
    AuditLog,
    Caller,
    Keyring,
    Needs,
    RateLimiter,
)
from embedding_studio.api.problems import status_of
from embedding_studio.infra.log import fact, note
from embedding_studio.kernel.errors import ForbiddenError, RateLimitedError, UnauthenticatedError

__all__ = ["Door", "guard"]

_COLLECTION = "name"
"""What every route calls the collection in its address."""
_READING = frozenset({"GET", "HEAD", "OPTIONS"})
_SCHEME = "bearer"


class Door:
    """Lets a request through as its caller, or raises why not."""

    def __init__(self, *, keyring: Keyring, rates: RateLimiter, audit: AuditLog, required: bool) -> None:
        """With `required`, who shows no key is let through to open routes alone."""
        self._keyring = keyring
        self._rates = rates
        self._required = required
        self.audit = audit

    async def caller(self, headers: Iterable[tuple[bytes, bytes]]) -> Caller:
        """Who calls; whoever shows a key is judged by it, also where none is required.

        Raises:
            UnauthenticatedError: A key is required and none is there, or the one that is there is not good.
        """
        shown = [value for name, value in headers if name == b"authorization"]
        if not shown:
            if self._required:
                raise UnauthenticatedError("send a key: Authorization: Bearer es_…")
            return ANYONE
        return await self._keyring.caller(_key(shown))

    async def admit(self, caller: Caller, needs: Needs, collection: str | None) -> None:
        """Let the caller through to a route.

        Args:
            caller: Who asks.
            needs: What the route needs.
            collection: That the address names, if it names one.

        Raises:
            RateLimitedError: It asks too often.
            ForbiddenError: Its role is too small, or it is not granted the collection.
        """
        await self._count(caller)
        if needs.role and not caller.has(needs.role):
            raise ForbiddenError(f"this needs a key of the role {needs.role!r}; this one has {caller.role!r}")
        if collection is not None:
            caller.require(collection)
        elif not needs.minds_grants:
            caller.require(None)

    async def _count(self, caller: Caller) -> None:
        if caller.key_id is None or caller.rate is None:
            return
        if wait := await self._rates.wait(caller.key_id, caller.rate):
            detail = f"this key may send {caller.rate:g} requests a second"
            raise RateLimitedError(detail, retry_after=math.ceil(wait))


def guard(door: Callable[[], Door]) -> Callable[[ASGIApp], ASGIApp]:
    """A middleware that stands before every route: who may not go through gets the problem, and nothing is read of it.

    What administrators do is written down before it is done, and its status before it is answered.
    """

    def guarding(app: ASGIApp) -> ASGIApp:
        async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
            needs: Needs = scope["route_handler"].opt.get(NEEDS, LOCKED)
            if needs.role is None:
                await app(scope, receive, send)
                return
            if scope["type"] == ScopeType.WEBSOCKET:
                raise UnauthenticatedError("keys are read of HTTP requests alone")
            opened = door()
            is_action = needs.role == "admin" and scope["method"] not in _READING
            await _enter(opened, scope, needs)
            if is_action:
                send = await _noted(opened.audit, scope, send)
            await app(scope, receive, send)

        return guarded

    return guarding


async def _enter(door: Door, scope: HTTPScope, needs: Needs) -> None:
    caller: Caller | None = None
    try:
        caller = await door.caller(scope["headers"])
        await door.admit(caller, needs, scope["path_params"].get(_COLLECTION))
    except (UnauthenticatedError, ForbiddenError, RateLimitedError) as error:
        if needs.role == "admin":
            await door.audit.refuse(_action(scope, caller), status_of(error))
        raise
    scope["auth"] = caller
    note(key_id=caller.key_id)


async def _noted(audit: AuditLog, scope: HTTPScope, send: Send) -> Send:
    """Begin an entry of the audit log; the `send` that is returned ends it first."""
    entry = await audit.begin(_action(scope, scope["auth"]))

    async def noting(message: Message) -> None:
        if message["type"] == "http.response.start":
            created = next((value.decode() for name, value in message["headers"] if name == b"location"), None)
            await audit.end(entry, message["status"], created=created)
        await send(message)

    return noting


def _action(scope: HTTPScope, caller: Caller | None) -> Action:
    query = scope["query_string"].decode("latin-1")
    client = scope.get("client")
    return Action(
        key_id=caller.key_id if caller else None,
        action=f"{scope['method']} {scope['path_template']}",
        target=f"{scope['path']}?{query}" if query else scope["path"],
        origin=client[0] if client else None,
        request_id=fact("request_id"),
    )


def _key(shown: Sequence[bytes]) -> str:
    """The key of an Authorization header.

    Raises:
        UnauthenticatedError: There are several headers, of which others might read another one; or it is no Bearer.
    """
    if len(shown) > 1:
        raise UnauthenticatedError("send one Authorization header")
    scheme, _, key = shown[0].decode("latin-1").partition(" ")
    if scheme.lower() != _SCHEME:
        raise UnauthenticatedError("send the key as Authorization: Bearer es_…")
    return key.strip(" ")
