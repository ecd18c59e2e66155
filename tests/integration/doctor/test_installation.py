"""An installation that is fit, and what becomes of the report when a part of it is not."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from pydantic import SecretStr
from rich.console import Console

from embedding_studio.access import AuditEntry
from embedding_studio.bootstrap import Container
from embedding_studio.doctor import doctor_installation, show_installation
from embedding_studio.infra.jobs import RedisSettings
from embedding_studio.infra.postgres import PostgresSettings
from embedding_studio.settings import Settings
from embedding_studio.upsertion.jobs import UPSERT
from studio import Studio

pytestmark = pytest.mark.anyio


def severities(report: str) -> dict[str, str]:
    """The worst of each name."""
    order = {"ok": 0, "warn": 1, "bad": 2}
    worst: dict[str, str] = {}
    for one in json.loads(report)["checks"]:
        worst[one["name"]] = max(worst.get(one["name"], "ok"), one["severity"], key=order.__getitem__)
    return worst


@pytest.fixture(autouse=True)
def _open_already(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another container in this process would take the documents from the studio's."""

    @asynccontextmanager
    async def opened(_: Settings) -> AsyncIterator[Container]:
        yield studio.container

    monkeypatch.setattr("embedding_studio.doctor.installation.open_container", opened)


async def test_every_part_is_looked_at(settings: Settings) -> None:
    report = await doctor_installation(settings)
    found = severities(report.to_json())
    of_stores = {"postgres", "pgvector", "schema", "mongo", "documents", "indexes", "redis", "objects"}
    parts = of_stores | {"disk", "plugins", "encoders"}
    assert parts <= set(found)
    assert found["mongo"] == "warn"  # one server
    assert found["postgres"] == "bad"  # the servers of tests are careless of power cuts
    assert {found[one] for one in parts - {"mongo", "disk", "postgres", "redis"}} == {"ok"}
    said = StringIO()
    show_installation(report, Console(file=said, width=200))
    assert "pgvector: version" in said.getvalue()


async def test_an_index_that_is_missing_is_named(studio: Studio, settings: Settings) -> None:
    entries = studio.container.database["audit"]
    await entries.drop_index("expires_at_1")
    report = await doctor_installation(settings)
    await entries.create_indexes(AuditEntry.Settings.indexes)
    assert severities(report.to_json())["indexes"] == "bad"
    assert "lacks audit.expires_at_1" in report.to_json()


async def test_one_part_that_is_broken_hides_no_other(settings: Settings) -> None:
    broken = settings.model_copy(
        update={
            "redis": RedisSettings(url=SecretStr("redis://:hidden@127.0.0.1:1/0")),
            "postgres": PostgresSettings(dsn=SecretStr("postgresql://u:hidden@127.0.0.1:1/db")),
        }
    )
    report = await doctor_installation(broken)
    found = severities(report.to_json())
    assert (found["redis"], found["postgres"], found["objects"], found["work"]) == ("bad", "bad", "ok", "bad")
    assert not report.is_well
    assert "hidden" not in report.to_json()


async def test_tasks_that_nobody_takes_are_counted(studio: Studio, any_name: str) -> None:
    task = await studio.container.tasks.submit(UPSERT, collection=any_name)
    now = studio.container.clock
    backlog = await studio.container.tasks.backlog(
        now() + timedelta(hours=1), patience=timedelta(minutes=1), since=now()
    )
    assert sum(one.waiting for one in backlog if one.queue == task.queue) >= 1
    await studio.container.tasks.cancel(task.id)


async def test_a_folder_that_is_not_there_yet_is_judged_by_the_one_above(settings: Settings, tmp_path: Path) -> None:
    report = await doctor_installation(settings.model_copy(update={"data_dir": tmp_path / "new" / "data"}))
    assert "disk" in severities(report.to_json())
