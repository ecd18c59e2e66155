"""No request is worked on for ever."""

import asyncio
from collections.abc import Callable

from litestar.types import ASGIApp, Receive, Scope, Send

from embedding_studio.kernel.errors import UnavailableError

__all__ = ["limit_time"]


def limit_time(seconds: float) -> Callable[[ASGIApp], ASGIApp]:
    """A middleware that cancels the work on a request, its reading included, after so many seconds.

    Queries under way are cancelled at their servers and transactions are rolled back; the caller gets a 503.
    """

    def limiting(app: ASGIApp) -> ASGIApp:
        async def limited(scope: Scope, receive: Receive, send: Send) -> None:
            clock = asyncio.timeout(seconds)
            try:
                async with clock:
                    await app(scope, receive, send)
            except TimeoutError:
                if clock.expired():
                    raise UnavailableError(f"the request took longer than {seconds:g} seconds") from None
                raise

        return limited

    return limiting
