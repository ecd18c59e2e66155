"""What is restored is what this release knows."""

from pathlib import Path

import pytest
from pydantic import SecretStr
from rich.console import Console

from embedding_studio.backup.manifest import write_manifest
from embedding_studio.backup.restoring import restore
from embedding_studio.infra.documents import known_documents
from embedding_studio.infra.jobs import RedisSettings
from embedding_studio.infra.migrations import known_revisions
from embedding_studio.infra.mongo import MongoSettings
from embedding_studio.infra.postgres import PostgresSettings
from embedding_studio.kernel.errors import InvalidError
from embedding_studio.settings import Settings
from unit.backup.test_manifest import made

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("revision", "documents"), [(known_revisions()[-1], known_documents() + 1), ("9999", known_documents())]
)
async def test_a_backup_of_a_newer_release_is_refused_before_any_server_is_asked(
    tmp_path: Path, revision: str, documents: int
) -> None:
    nowhere = "127.0.0.1:1"
    settings = Settings(
        data_dir=tmp_path / "data",
        postgres=PostgresSettings(dsn=SecretStr(f"postgresql://{nowhere}/studio")),
        mongo=MongoSettings(url=SecretStr(f"mongodb://{nowhere}/")),
        redis=RedisSettings(url=SecretStr(f"redis://{nowhere}/0")),
    )
    write_manifest(tmp_path, made(tmp_path, revision=revision, documents_revision=documents))
    with pytest.raises(InvalidError, match="newer release"):
        await restore(settings, tmp_path, force=False, console=Console(stderr=True))
