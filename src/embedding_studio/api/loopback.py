"""Where no API keys are required, only this machine may ask, and only for itself."""

from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import urlsplit

from litestar.types import ASGIApp, Receive, Scope, Send

from embedding_studio.access import is_loopback
from embedding_studio.kernel.errors import ForbiddenError

__all__ = ["local_only"]


def local_only(app: ASGIApp) -> ASGIApp:
    """Pass on what this machine asks for itself: the page of another site must not act through its visitor's browser.

    Refused is what a browser says another site asks, and what was meant for a name that only resolves to this machine
    (DNS rebinding), with a ForbiddenError. It stands before all that reads the request's address.
    """

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        host = _header(scope["headers"], b"host") or b""
        if not _names_this_machine(host):
            raise ForbiddenError("without API keys the Host must be a loopback address or localhost")
        origin = _header(scope["headers"], b"origin")
        if origin is not None and origin.partition(b"://")[2] != host:
            raise ForbiddenError("without API keys the pages of other sites may not ask")
        await app(scope, receive, send)

    return guarded


def _header(headers: Iterable[tuple[bytes, bytes]], wanted: bytes) -> bytes | None:
    for name, value in headers:
        if name == wanted:
            return value
    return None


@lru_cache(maxsize=128)
def _names_this_machine(host: bytes) -> bool:
    return is_loopback(_name_of(host.decode("latin-1")))


def _name_of(host: str) -> str:
    """The part of a Host header before the port; nothing where it is malformed."""
    try:
        url = urlsplit(f"//{host}")
        has_port = url.port is None or url.port > 0
    except ValueError:
        return ""
    return url.hostname or "" if has_port else ""
