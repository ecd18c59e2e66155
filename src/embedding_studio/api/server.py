"""Running the HTTP application under uvicorn."""

import ipaddress

import uvicorn

from embedding_studio.api.app import create_app
from embedding_studio.kernel.errors import ForbiddenError
from embedding_studio.settings import Settings

__all__ = ["require_loopback", "serve"]

_DRAIN = 10


def serve(settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM; requests under way get ten seconds to end.

    Raises:
        ForbiddenError: The address can be reached from other machines.
    """
    require_loopback(settings.api.host)
    uvicorn.run(
        create_app(settings),
        host=settings.api.host,
        port=settings.api.port,
        log_config=None,
        access_log=False,
        server_header=False,
        limit_concurrency=settings.api.max_requests,
        timeout_graceful_shutdown=_DRAIN,
    )


def require_loopback(host: str) -> None:
    """Refuse addresses that other machines can reach: there are no API keys yet.

    Raises:
        ForbiddenError: The address is not of the loopback.
    """
    try:
        loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise ForbiddenError(f"refusing to listen on {host}: without API keys only loopback addresses are safe")
