"""No more requests at a time than a process can bear."""

from collections.abc import Callable

from litestar.types import ASGIApp, Receive, Scope, Send

from embedding_studio.kernel.errors import UnavailableError

__all__ = ["limit_requests"]

_HEALTH = "/health/"


def limit_requests(most: int) -> Callable[[ASGIApp], ASGIApp]:
    """A middleware that answers 503 to what comes while so many requests are under way; nothing of it is read.

    Whether the process lives is answered always: it must not be killed for being busy.
    """
    under_way = 0

    def limiting(app: ASGIApp) -> ASGIApp:
        async def limited(scope: Scope, receive: Receive, send: Send) -> None:
            nonlocal under_way
            if scope["path"].startswith(_HEALTH):
                await app(scope, receive, send)
                return
            if under_way >= most:
                raise UnavailableError("too many requests are under way")
            under_way += 1
            try:
                await app(scope, receive, send)
            finally:
                under_way -= 1

        return limited

    return limiting
