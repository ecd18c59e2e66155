"""Reading a loader to its end."""

import json
from contextlib import aclosing
from typing import Any, cast

from embedding_studio.infra.loaders import Cursor, Loaded, Loader, LoadFailure

__all__ = ["assert_resumable", "outline", "read_all"]

Outline = tuple[str, str | dict[str, Any]]


async def read_all(loader: Loader, cursor: Cursor | None = None) -> list[Loaded | LoadFailure]:
    async with aclosing(cast("Any", loader.read(cursor))) as records:
        return [record async for record in records]


def outline(records: list[Loaded | LoadFailure]) -> list[Outline]:
    """Ids with payloads or reasons."""
    return [(one.id, one.payload if isinstance(one, Loaded) else one.reason) for one in records]


async def assert_resumable(loader: Loader) -> list[Loaded | LoadFailure]:
    """Behind the cursor of every record lies exactly the rest, cursors included; returns all records."""
    records = await read_all(loader)
    for index, record in enumerate(records, 1):
        cursor = json.loads(json.dumps(record.cursor))
        assert await read_all(loader, cursor) == records[index:]
    return records
