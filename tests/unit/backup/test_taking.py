"""Where a backup goes."""

from pathlib import Path

import pytest
from pydantic import SecretStr
from rich.console import Console

from embedding_studio.backup import take_backup
from embedding_studio.infra.jobs import RedisSettings
from embedding_studio.infra.mongo import MongoSettings
from embedding_studio.infra.postgres import PostgresSettings
from embedding_studio.kernel.errors import ConflictError
from embedding_studio.settings import Settings

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("folder", ["file", "file/below"])
async def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path, folder: str) -> None:
    (tmp_path / "file").touch()
    settings = Settings(
        postgres=PostgresSettings(dsn=SecretStr("postgresql://")),
        mongo=MongoSettings(url=SecretStr("mongodb://")),
        redis=RedisSettings(url=SecretStr("redis://")),
    )
    with pytest.raises(ConflictError, match=folder):
        await take_backup(settings, tmp_path / folder, console=Console(quiet=True))
