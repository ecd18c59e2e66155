"""A PostgreSQL that hangs: it stands behind a wire that tests hold still."""

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest
from pydantic import SecretStr

from embedding_studio.infra import postgres
from embedding_studio.infra.postgres import PostgresSettings, open_connection, open_pool
from studio import Studio

pytestmark = pytest.mark.anyio


class Wire:
    """What is sent to a server and back, while it flows."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self.flows = asyncio.Event()
        self.flows.set()

    async def connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers, requests = await asyncio.open_connection(self._host, self._port)
        await asyncio.gather(self._pass_on(reader, requests), self._pass_on(answers, writer))

    async def _pass_on(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65_536):
                await self.flows.wait()
                target.write(data)
        except ConnectionError:
            pass
        finally:
            target.close()


@pytest.fixture
async def wired(studio: Studio) -> AsyncIterator[tuple[Wire, PostgresSettings]]:
    url = urlsplit(studio.container.settings.postgres.dsn.get_secret_value())
    wire = Wire(url.hostname or "", url.port or 0)
    async with await asyncio.start_server(wire.connect, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        dsn = url._replace(netloc=f"{url.username}:{url.password}@127.0.0.1:{port}").geturl()
        settings = PostgresSettings(dsn=SecretStr(dsn), acquire_timeout=60)
        yield wire, settings
        wire.flows.set()
        async with open_connection(settings):
            pass  # accepted after all others: a server that closes while one waits for that leaks it


async def test_whoever_gives_up_a_statement_goes_on_soon_though_the_server_hangs(
    wired: tuple[Wire, PostgresSettings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "_CANCEL_WITHIN", 0.1)
    wire, settings = wired
    async with open_pool(settings) as pool:
        assert await pool.fetchval("SELECT 1") == 1
        wire.flows.clear()
        async with asyncio.timeout(20):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await pool.fetchval("SELECT 2")
        wire.flows.set()
        assert await pool.fetchval("SELECT 3") == 3
