"""What tests of the infrastructure share."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from embedding_studio.infra.embedded import ServerUrls
from embedding_studio.kernel.ids import new_id


@pytest.fixture
async def dsn(urls: ServerUrls) -> AsyncIterator[str]:
    """Of a database of the test's own."""
    name = f"migrated_{new_id()}"
    connection = await asyncpg.connect(urls.postgres)
    await connection.execute(f"CREATE DATABASE {name}")
    yield f"{urls.postgres.rpartition('/')[0]}/{name}"
    await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await connection.close()
