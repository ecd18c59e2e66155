"""Running the HTTP application under uvicorn, and stopping it so that no request is lost."""

import asyncio
import os
import socket
from types import FrameType

import uvicorn
from litestar import Litestar

from embedding_studio.access import require_loopback
from embedding_studio.api.app import create_app
from embedding_studio.api.processes import Processes, listen
from embedding_studio.api.protocol import BoundedProtocol
from embedding_studio.bootstrap import require_migrated
from embedding_studio.infra.garbage import calm_collector
from embedding_studio.infra.leaving import leave_soon
from embedding_studio.infra.notify import notify_ready
from embedding_studio.settings import ApiSettings, Settings

__all__ = ["serve"]

_KEEP_ALIVE = 30  # longer than clients keep an idle connection, so that none sends into one that is being closed
_CLOSE = (b"connection", b"close")


def serve(settings: Settings, *, listener: int | None = None) -> None:
    """Serve until SIGINT or SIGTERM, in as many processes as the settings say; a second signal ends it at once.

    Args:
        settings: Where to listen, how many processes serve, and how they stop.
        listener: Descriptor of a socket that listens already, in place of the settings' address.

    Raises:
        ConflictError: The address is taken, or the databases are those of an older release.
        ForbiddenError: The address can be reached from other machines, and no keys are required.
        UnavailableError: A process did not start, or ended again and again; or a database does not answer.
    """
    if listener is None and settings.api.processes == 1:
        _require_safe(settings, settings.api.host)
        _serve_here(settings, None)
        return
    given = socket.socket(fileno=listener) if listener is not None else listen(settings.api.host, settings.api.port)
    with given as ours:
        _require_safe(settings, ours.getsockname()[0])
        if settings.api.processes == 1:
            _serve_here(settings, ours)
        else:
            asyncio.run(Processes(ours, settings.api).run())


def _require_safe(settings: Settings, host: str) -> None:
    if not settings.access.required:
        require_loopback(host)


def _serve_here(settings: Settings, listener: socket.socket | None) -> None:
    asyncio.run(require_migrated(settings))
    app = create_app(settings)
    calm_collector()
    config = uvicorn.Config(
        app,
        host=settings.api.host,
        port=settings.api.port,
        http=BoundedProtocol,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
        timeout_keep_alive=_KEEP_ALIVE,
        timeout_graceful_shutdown=settings.api.drain_within,
    )
    _Server(config, app, settings.api).run(sockets=[listener] if listener else None)


class _Server(uvicorn.Server):
    """Stops in three steps: it says so, it takes no new connections, it closes those that there are.

    While it stops, each answer closes its connection, so that clients go to another process by themselves.
    """

    def __init__(self, config: uvicorn.Config, app: Litestar, settings: ApiSettings) -> None:
        super().__init__(config)
        self._app = app
        self._settings = settings

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and tell who started this process."""
        await super().startup(sockets)
        notify_ready(os.environ)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let connections go before they are closed."""
        self._app.state.is_stopping = True
        self.server_state.default_headers = [*self.server_state.default_headers, _CLOSE]
        await self._wait(self._settings.drain_delay)
        for server in self.servers:
            server.close()
        await self._wait(self._settings.linger, while_connected=True)
        await super().shutdown(sockets)
        leave_soon()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """End at once if a signal came before."""
        self.force_exit = self.should_exit
        super().handle_exit(sig, frame)

    async def _wait(self, seconds: float, *, while_connected: bool = False) -> None:
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while loop.time() < end and not self.force_exit:
            if while_connected and not self.server_state.connections:
                return
            await asyncio.sleep(min(0.05, seconds))
