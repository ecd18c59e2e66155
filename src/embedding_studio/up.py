"""The embedded profile: servers, API and workers as children of one process."""

import asyncio
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import httpx

from embedding_studio.access import require_loopback
from embedding_studio.bootstrap import migrate, model_sources
from embedding_studio.inference import Encoders
from embedding_studio.infra.embedded import (
    Child,
    ServerUrls,
    Supervisor,
    lock_data_dir,
    require_free_port,
    start_servers,
)
from embedding_studio.kernel.errors import ForbiddenError, NotFoundError
from embedding_studio.sdk import find_plugins
from embedding_studio.settings import PREFIX, Settings, load_settings
from embedding_studio.worker import ROLES

__all__ = ["join", "run_roles", "servers", "studio", "up"]

_EXPORT_DEADLINE_S = 600.0
_READY_DEADLINE_S = 180.0
_NOTE = "environment.json"
_NOWHERE = ServerUrls(postgres="postgresql://", mongo="mongodb://", redis="redis://")
"""Stands for the servers while they are not started: what is wrong with the settings is said before."""
_COMMAND = (sys.executable, "-m", "embedding_studio")


@contextmanager
def studio(
    data_dir: Path, *, host: str, port: int, say: Callable[[str], None]
) -> Iterator[tuple[Supervisor, Settings]]:
    """Servers, API and workers on one machine, ready; all of them end with the block. The data stays in `data_dir`.

    Args:
        data_dir: Made if it is not there.
        host: Address of the API.
        port: Of the API.
        say: Tells the person what happens.

    Raises:
        ConflictError: The port is taken, or another process uses the folder.
        ForbiddenError: The address can be reached from other machines, and no keys are required.
        InvalidError: A setting is misspelt or wrong.
        UnavailableError: A server is not installed, or one of the processes ended; says which and why.
    """
    data_dir = data_dir.resolve()
    address = {f"{PREFIX}API__HOST": host, f"{PREFIX}API__PORT": str(port)}
    os.environ.update(_environment(data_dir, _NOWHERE) | address)
    if not load_settings().access.required:
        require_loopback(host)
    require_free_port(host, port)
    with servers(data_dir, say) as supervisor:
        _note_environment(data_dir)
        settings = load_settings()
        asyncio.run(migrate(settings))
        _export(supervisor, settings, say)
        api = supervisor.start("api", [*_COMMAND, "serve"], log=data_dir / "logs" / "api.log")
        _start_roles(supervisor, data_dir, settings.metrics.port)
        _wait_until_ready(api, settings)
        yield supervisor, settings


@contextmanager
def servers(data_dir: Path, say: Callable[[str], None]) -> Iterator[Supervisor]:
    """The three servers of a folder without anything of ours; the environment names them, and they end with the block.

    Raises:
        ConflictError: Another process uses the folder.
        UnavailableError: A server is not installed, or did not start.
    """
    data_dir = data_dir.resolve()
    with lock_data_dir(data_dir), Supervisor() as supervisor:
        say(f"Starting PostgreSQL, MongoDB and Redis in {data_dir}")
        os.environ.update(_environment(data_dir, start_servers(supervisor, data_dir)))
        yield supervisor


def up(data_dir: Path, *, host: str, port: int, say: Callable[[str], None]) -> None:
    """Run everything until SIGINT or SIGTERM; arguments and errors are those of `studio`."""
    with studio(data_dir, host=host, port=port, say=say) as (supervisor, _):
        say(f"Ready: http://{host}:{port} (the API's page is at /schema; logs are in {data_dir / 'logs'})")
        supervisor.wait(say)
        say("Stopping")


def join(data_dir: Path) -> None:
    """Let this process have the settings of the `up` that runs in a folder, or else ran there last.

    Raises:
        NotFoundError: None ever did.
        ForbiddenError: This user may not read its settings, which hold passwords.
    """
    note = data_dir / _NOTE
    try:
        os.environ.update(json.loads(note.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise NotFoundError(f"{note} is not there: no `embedding-studio up` runs in {data_dir}") from None
    except PermissionError:
        raise ForbiddenError(f"{note} may be read by the user who runs `embedding-studio up` alone") from None


def run_roles(data_dir: Path, *, metrics_port: int | None, say: Callable[[str], None]) -> None:
    """Run one worker process a role until SIGINT or SIGTERM; one that ends by itself is started again.

    Args:
        data_dir: Where their logs go.
        metrics_port: Of the first role, if they are to show metrics; each of the others has the next.
        say: Tells the person what happens.
    """
    with Supervisor() as supervisor:
        _start_roles(supervisor, data_dir, metrics_port)
        supervisor.wait(say)


def _start_roles(supervisor: Supervisor, data_dir: Path, metrics_port: int | None) -> None:
    """Each on a port of its own for metrics, the one behind the other's, if there are any."""
    for number, role in enumerate(ROLES):
        log = data_dir / "logs" / f"worker-{role}.log"
        env = {**os.environ, **({f"{PREFIX}METRICS__PORT": str(metrics_port + number)} if metrics_port else {})}
        supervisor.start(f"worker {role}", [*_COMMAND, "worker", "--role", role], log=log, env=env)


def _environment(data_dir: Path, urls: ServerUrls) -> dict[str, str]:
    return {
        f"{PREFIX}DATA_DIR": str(data_dir),
        f"{PREFIX}POSTGRES__DSN": urls.postgres,
        f"{PREFIX}MONGO__URL": urls.mongo,
        f"{PREFIX}REDIS__URL": urls.redis,
    }


def _note_environment(data_dir: Path) -> None:
    """Write the settings down for `join`, readable by their owner alone."""
    ours = {name: value for name, value in os.environ.items() if name.startswith(PREFIX)}
    draft = data_dir / f"{_NOTE}.new"
    draft.unlink(missing_ok=True)
    with open(draft, "x", opener=partial(os.open, mode=0o600), encoding="utf-8") as file:
        json.dump(ours, file)
    draft.replace(data_dir / _NOTE)


def _export(supervisor: Supervisor, settings: Settings, say: Callable[[str], None]) -> None:
    """Export models in a process of its own, so that torch leaves the memory when it is done."""
    missing = Encoders(settings.inference).missing(model_sources(find_plugins(settings.plugins)))
    if missing:
        say(f"Exporting {', '.join(source.model for source in missing)} to ONNX, once")
        supervisor.run(
            "export",
            [*_COMMAND, "export"],
            log=settings.data_dir / "logs" / "export.log",
            deadline_s=_EXPORT_DEADLINE_S,
        )


def _wait_until_ready(api: Child, settings: Settings) -> None:
    url = f"http://{settings.api.host}:{settings.api.port}/health/ready"

    def ready() -> bool:
        try:
            return httpx.get(url, timeout=5.0).status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    api.wait_until(ready, _READY_DEADLINE_S)
