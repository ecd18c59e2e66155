"""Servers that tests share, and servers in a process that a test may kill."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from embedding_studio.infra.embedded import ServerUrls
from integration.infra.embedded.up import Start, Up, start_parent
from servers import embedded_servers


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts the servers on a folder, in a process of their own."""
    with ExitStack() as stack:

        def start_on(folder: Path, user: int | None = None, *, durable: bool = True) -> Up:
            process = stack.enter_context(start_parent(folder, user, durable=durable))
            stack.callback(process.kill)
            up = Up(process)
            stack.callback(up.kill)
            return up

        yield start_on


@pytest.fixture(scope="session")
def urls() -> Iterator[ServerUrls]:
    """Servers shared by all tests that leave them running."""
    with embedded_servers() as shared:
        yield shared


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may enter and write to; pytest's own are closed to others."""
    with tempfile.TemporaryDirectory(prefix="embedding-studio-") as folder:
        Path(folder).chmod(0o777)
        yield Path(folder)
