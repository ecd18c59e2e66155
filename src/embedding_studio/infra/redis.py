"""The asyncio client of Redis, for what is no job."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from redis.asyncio import BlockingConnectionPool, Redis

from embedding_studio.infra.jobs import RedisSettings

__all__ = ["open_redis"]

_CONNECTIONS = 16


@asynccontextmanager
async def open_redis(settings: RedisSettings) -> AsyncIterator[Redis]:
    """Yield a client, which connects when it is first used; up to 16 commands run at a time, others wait."""
    pool = BlockingConnectionPool.from_url(
        settings.url.get_secret_value(),
        max_connections=_CONNECTIONS,
        timeout=settings.timeout,
        socket_timeout=settings.timeout,
        socket_connect_timeout=settings.timeout,
    )
    client = Redis(connection_pool=pool)
    try:
        yield client
    finally:
        await client.aclose()
        await pool.disconnect()
