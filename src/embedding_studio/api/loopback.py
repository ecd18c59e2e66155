"""While there are no API keys, only this machine may ask, and only for itself."""

import ipaddress
from urllib.parse import urlsplit

from litestar.datastructures import Headers
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Receive, Scope, Send

from embedding_studio.kernel.errors import ForbiddenError

__all__ = ["LocalOnly", "require_loopback"]


def require_loopback(host: str) -> None:
    """Refuse addresses that other machines can reach: there are no API keys yet.

    Raises:
        ForbiddenError: The address is not of the loopback.
    """
    if not _is_loopback(host):
        raise ForbiddenError(f"refusing to listen on {host}: without API keys only loopback addresses are safe")


class LocalOnly(ASGIMiddleware):
    """The page of another site must not act through the browser of its visitor.

    Refused is what a browser says another site asks, and what was meant for a name that only resolves to this machine
    (DNS rebinding), with a ForbiddenError. It stands before all that reads the request's address.
    """

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Pass on what this machine asks for itself."""
        headers = Headers.from_scope(scope)
        host = headers.get("host", "")
        if not _is_loopback(_name_of(host)):
            raise ForbiddenError("without API keys the Host must be a loopback address or localhost")
        origin = headers.get("origin")
        if origin is not None and origin.partition("://")[2] != host:
            raise ForbiddenError("without API keys the pages of other sites may not ask")
        await next_app(scope, receive, send)


def _name_of(host: str) -> str:
    """The part of a Host header before the port; nothing where it is malformed."""
    try:
        url = urlsplit(f"//{host}")
        has_port = url.port is None or url.port > 0
    except ValueError:
        return ""
    return url.hostname or "" if has_port else ""


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
