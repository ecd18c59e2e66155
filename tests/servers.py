"""The real servers, for tests."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from embedding_studio.infra.embedded import ServerUrls, Supervisor, start_servers

__all__ = ["embedded_servers"]


@contextmanager
def embedded_servers() -> Iterator[ServerUrls]:
    """The three servers on a temporary folder, careless of power cuts; to be entered in the main thread."""
    with tempfile.TemporaryDirectory(prefix="embedding-studio-") as folder, Supervisor() as supervisor:
        yield start_servers(supervisor, Path(folder), durable=False)
