"""Both databases come to the present schema, whoever else brings them there."""

import asyncio

import pytest

from embedding_studio.bootstrap import databases
from embedding_studio.infra.migrations import migrating_alone
from embedding_studio.infra.postgres import open_connection
from embedding_studio.kernel.errors import ConflictError
from embedding_studio.settings import Settings

pytestmark = [pytest.mark.anyio, pytest.mark.integration]


async def test_several_wait_for_each_other_until_mongodb_is_done_too(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("embedding_studio.infra.migrations._PAUSE", 0.05)
    caplog.set_level("INFO", "embedding_studio.infra.migrations")
    entered: list[int] = []
    others: list[asyncio.Task[None]] = []

    async def documents(*_: object) -> None:
        entered.append(len(others))
        if others:
            return
        others.append(asyncio.create_task(databases.migrate(settings)))
        async with open_connection(settings.postgres) as connection:
            while "another process is migrating" not in caplog.text and len(entered) == 1:
                await connection.execute("SELECT")
        assert len(entered) == 1

    monkeypatch.setattr(databases, "migrate_documents", documents)
    await databases.migrate(settings)
    await asyncio.gather(*others)
    assert entered == [0, 1]


async def test_who_waits_for_too_long_is_told(settings: Settings) -> None:
    async with migrating_alone(settings.postgres):
        with pytest.raises(ConflictError, match="another process has been migrating"):
            async with migrating_alone(settings.postgres, within=0):
                pass
    async with migrating_alone(settings.postgres, within=0):
        pass
