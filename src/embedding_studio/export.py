"""`embedding-studio export sessions`: what was shown and done, as JSON lines that the API takes back."""

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO

import msgspec
from rich.console import Console

from embedding_studio.clickstream import ClickstreamRepository, Event, ExportedSession, Session, Span
from embedding_studio.infra.mongo import open_database
from embedding_studio.infra.postgres import open_pool
from embedding_studio.kernel.time import read_time
from embedding_studio.progress import bars
from embedding_studio.settings import Settings
from embedding_studio.vector_store import Catalog

__all__ = ["export_sessions", "read_span", "write_sessions"]


async def export_sessions(settings: Settings, collection: str, span: Span, *, output: Path, console: Console) -> int:
    """Write a collection's sessions from the servers that the settings name; otherwise as `write_sessions`.

    Raises:
        CollectionNotFoundError: There is no such collection.
    """
    async with open_pool(settings.postgres) as pool, open_database(settings.mongo, (Session, Event)):
        await Catalog(pool, grace=timedelta(0)).get(collection)
        return await write_sessions(ClickstreamRepository(), collection, span, output=output, console=console)


async def write_sessions(
    repository: ClickstreamRepository, collection: str, span: Span, *, output: Path, console: Console
) -> int:
    """Write a collection's sessions with their events, one a line, oldest first; returns how many those are.

    Args:
        repository: Where they are.
        collection: Its name.
        span: When the searches were.
        output: The file, which is there only once it is whole; `-` is standard output.
        console: Shows the progress.
    """
    written = 0
    total = await repository.count_sessions(collection, span)
    with _opened(output) as file, bars(console) as progress:
        bar = progress.add_task(collection, total=total)
        async for lines, number in _batches(repository, collection, span):
            await asyncio.to_thread(file.write, lines)
            progress.advance(bar, number)
            written += number
    return written


def read_span(since: str | None, until: str | None) -> Span:
    """The times of `--since` and `--until`.

    Raises:
        InvalidError: One is no time.
    """
    return Span(
        None if since is None else read_time(since, "--since"),
        None if until is None else read_time(until, "--until"),
    )


async def _batches(repository: ClickstreamRepository, collection: str, span: Span) -> AsyncIterator[tuple[bytes, int]]:
    """Lines, and how many they are."""
    async for batch in repository.sessions(collection, span):
        pairs = await repository.with_events(batch)
        yield msgspec.json.Encoder().encode_lines([ExportedSession.of(*pair) for pair in pairs]), len(pairs)


@contextmanager
def _opened(output: Path) -> Iterator[BinaryIO]:
    if output == Path("-"):
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    draft = output.with_name(f"{output.name}.part")
    with draft.open("wb") as file:
        yield file
    draft.replace(output)
