"""The product as a child process."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx

from embedding_studio.infra.embedded import Supervisor, free_port

__all__ = ["running_studio"]

_READY_DEADLINE_S = 300.0
_STOP_DEADLINE_S = 40.0
_ANSWER_DEADLINE_S = 5.0


@contextmanager
def running_studio(data_dir: Path) -> Iterator[str]:
    """Run `embedding-studio up` on a free port until the block ends; yields the API's address once it is ready.

    To be entered in the main thread, as `Supervisor`.

    Raises:
        UnavailableError: It ended, or was not ready in five minutes; says what it printed last.
    """
    port = free_port()
    command = [sys.executable, "-m", "embedding_studio", "up", "--data-dir", str(data_dir), "--port", str(port)]
    url = f"http://127.0.0.1:{port}"
    with Supervisor(stop_deadline_s=_STOP_DEADLINE_S) as supervisor, httpx.Client(timeout=_ANSWER_DEADLINE_S) as http:
        log = data_dir / "logs" / "up.log"
        child = supervisor.start("embedding-studio up", command, log=log, death_signal=signal.SIGTERM)
        child.wait_until(lambda: _ready(http, url), _READY_DEADLINE_S)
        yield url


def _ready(http: httpx.Client, url: str) -> bool:
    with suppress(httpx.TransportError):
        return http.get(f"{url}/health/ready").is_success
    return False
