"""Running the HTTP application under uvicorn."""

import uvicorn

from embedding_studio.api.app import create_app
from embedding_studio.api.loopback import require_loopback
from embedding_studio.infra.garbage import calm_collector
from embedding_studio.settings import Settings

__all__ = ["serve"]

_DRAIN = 10
_KEEP_ALIVE = 30  # longer than clients keep an idle connection, so that none sends into one that is being closed


def serve(settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM; requests under way get ten seconds to end.

    Raises:
        ForbiddenError: The address can be reached from other machines.
    """
    require_loopback(settings.api.host)
    app = create_app(settings)
    calm_collector()
    uvicorn.run(
        app,
        host=settings.api.host,
        port=settings.api.port,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
        timeout_keep_alive=_KEEP_ALIVE,
        limit_concurrency=settings.api.max_requests,
        timeout_graceful_shutdown=_DRAIN,
    )
