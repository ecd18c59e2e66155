"""The real servers, for tests."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from embedding_studio.infra.embedded import Server, ServerUrls, Supervisor, start_servers, start_triton

__all__ = ["embedded_servers", "triton_server"]

_TRITON = Path(os.environ.get("TRITON_ENVIRONMENT", Path(__file__).parents[1] / ".triton"))


@contextmanager
def embedded_servers() -> Iterator[ServerUrls]:
    """The three servers on a temporary folder, careless of power cuts; to be entered in the main thread."""
    with tempfile.TemporaryDirectory(prefix="embedding-studio-") as folder, Supervisor() as supervisor:
        yield start_servers(supervisor, Path(folder), durable=False)


@contextmanager
def triton_server(folder: Path, repository: Path) -> Iterator[Server]:
    """A real Triton; where its environment was not made, the test is skipped."""
    if not _TRITON.is_dir():
        pytest.skip(f"needs a Triton: make {_TRITON.name}/.ready")
    with Supervisor() as supervisor:
        server = start_triton(supervisor, folder, environment=_TRITON, repository=repository)
        server.url_when_ready()
        yield server
