"""A backup whose parts do not fit together is none."""

from pathlib import Path

import pytest
from rich.console import Console

from embedding_studio.backup import take_backup
from embedding_studio.backup.manifest import read_manifest
from embedding_studio.infra.mongo import open_database
from embedding_studio.kernel.errors import ConflictError, NotFoundError
from embedding_studio.kernel.ids import new_id
from embedding_studio.settings import Settings

pytestmark = pytest.mark.anyio


@pytest.mark.usefixtures("studio")
async def test_a_migration_in_the_midst_of_it_is_noticed(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mongo = settings.mongo.model_copy(update={"database": f"backup_{new_id()}"})
    async with open_database(mongo, ()) as database:

        async def migrated(*_: object) -> int:
            (tmp_path / "to" / "postgres.dump").touch()
            await database["schema"].insert_one({"_id": "revision", "number": 1})
            return 18

        monkeypatch.setattr("embedding_studio.backup.taking.dump_database", migrated)
        with pytest.raises(ConflictError, match="migrated"):
            await take_backup(
                settings.model_copy(update={"mongo": mongo}), tmp_path / "to", console=Console(quiet=True)
            )
        await database.client.drop_database(database.name)
    with pytest.raises(NotFoundError):
        read_manifest(tmp_path / "to")
