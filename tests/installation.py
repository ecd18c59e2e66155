"""An installation as operators run it: servers, and processes of ours that are started and stopped one by one."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from embedding_studio.infra.embedded import ServerUrls, free_port
from embedding_studio.infra.notify import NOTIFY_SOCKET, ReadySignal

__all__ = ["Installation", "finished_task", "is_ready", "state_of", "until", "until_done"]

_WITHIN_S = 120.0
_COMMAND = (sys.executable, "-m", "embedding_studio")


class Installation:
    """Starts processes with the same settings.

    Attributes:
        url: Where the API of this installation listens, once one is started.
    """

    def __init__(self, urls: ServerUrls, data_dir: Path, **settings: object) -> None:
        """Settings are named `<GROUP>__<NAME>`."""
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        ours = {
            "ENV": "test",
            "DATA_DIR": data_dir,
            "POSTGRES__DSN": urls.postgres,
            "MONGO__URL": urls.mongo,
            "REDIS__URL": urls.redis,
            "API__PORT": self.port,
            **settings,
        }
        clean = {name: value for name, value in os.environ.items() if not name.startswith("EMBEDDING_STUDIO_")}
        self.environment = clean | {f"EMBEDDING_STUDIO_{name}": str(value) for name, value in ours.items()}

    def run(self, *arguments: str, expect: int = 0) -> str:
        """Run a command to its end; returns what it printed."""
        done = subprocess.run(
            [*_COMMAND, *arguments], env=self.environment, capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == expect, (done.returncode, done.stdout[-8000:], done.stderr[-4000:])
        return done.stdout

    @contextmanager
    def running(
        self, *arguments: str, pass_fds: tuple[int, ...] = (), extra: Mapping[str, str] | None = None
    ) -> Iterator["subprocess.Popen[bytes]"]:
        """A process that ends with the block, in order if it still runs."""
        environment = self.environment | dict(extra or {})
        with subprocess.Popen([*_COMMAND, *arguments], env=environment, pass_fds=pass_fds) as process:
            try:
                yield process
            finally:
                if process.poll() is None:
                    process.send_signal(signal.SIGTERM)
                    process.wait(180)

    @contextmanager
    def serving(self, **settings: object) -> Iterator["subprocess.Popen[bytes]"]:
        """The API, once it is ready, and all its processes are."""
        extra = {f"EMBEDDING_STUDIO_{name}": str(value) for name, value in settings.items()}
        port = settings.get("API__PORT", self.port)
        with ReadySignal() as ready, self.running("serve", extra={**extra, NOTIFY_SOCKET: ready.name}) as process:
            until(lambda: is_ready(f"http://127.0.0.1:{port}", process))
            asyncio.run(asyncio.wait_for(ready.wait(), _WITHIN_S))
            yield process

    def client(self, **options: Any) -> httpx.Client:
        """A client of the API."""
        return httpx.Client(base_url=self.url, timeout=60.0, **options)


def until(ready: Callable[[], bool]) -> None:
    """Return once it is so."""
    deadline = time.monotonic() + _WITHIN_S
    while not ready():
        assert time.monotonic() < deadline, "not so in time"
        time.sleep(0.05)


def is_ready(url: str, process: "subprocess.Popen[bytes] | None" = None) -> bool:
    """Whether an API answers that it is ready; that its process has ended is an error."""
    assert process is None or process.poll() is None, "the process ended"
    try:
        return httpx.get(f"{url}/health/ready").status_code == 200
    except httpx.TransportError:
        return False


def finished_task(api: httpx.Client, answer: httpx.Response) -> dict[str, Any]:
    """The task that a request started, once it is finished; that it cannot be looked at for a moment is no failure."""
    assert answer.status_code == 202, answer.text
    url = f"/api/v1/tasks/{answer.json()['task_id']}"
    until(lambda: api.get(url).json().get("finished_at") is not None)
    return dict(api.get(url).json())


def state_of(api: httpx.Client, task: str) -> str | None:
    """The state of a task; None where it cannot be looked at for a moment."""
    state: str | None = api.get(f"/api/v1/tasks/{task}").json().get("state")
    return state


def until_done(api: httpx.Client, tasks: Collection[str]) -> None:
    """Return once all the tasks have succeeded."""
    until(lambda: all(state_of(api, one) == "succeeded" for one in tasks))
