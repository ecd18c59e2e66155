"""Each thing that is wrong is found, on the real servers, with what to do about it."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from rich.console import Console

from embedding_studio.doctor.tables import Examined, Finding, doctor, findings_of_disk, show
from embedding_studio.kernel.errors import UnavailableError
from embedding_studio.vector_store import Collection, CollectionNotFoundError, note_recall
from studio import Studio

pytestmark = pytest.mark.anyio

COUNT = 2_000
Examine = Callable[[], Awaitable[Examined]]


@pytest.fixture
async def patient(studio: Studio, any_name: str) -> AsyncIterator[Collection]:
    """Two-dimensional items with two kilobytes of payload each, just enough of them to have indexes; in good health."""
    await studio.create(any_name, "vectors", options={"dimensions": 2})
    collection = await studio.container.catalog.get(any_name)
    await change(
        studio,
        f"ALTER TABLE items_{collection.id} SET (autovacuum_enabled = off)",
        f"ALTER TABLE parts_{collection.id}_1 SET (autovacuum_enabled = off)",
        f"INSERT INTO items_{collection.id} (id, payload, seq)"
        " SELECT 'i' || n, jsonb_build_object('text', repeat(md5(n::text), 40)), n"
        f" FROM generate_series(1, {COUNT}) n",
        f"INSERT INTO parts_{collection.id}_1 (item_id, part_no, text, embedding)"
        f" SELECT id, 0, 'word', ARRAY[random() - 0.5, random()]::vector FROM items_{collection.id}",
    )
    await optimize(studio, any_name)
    yield collection
    await studio.client.delete(f"/api/v1/collections/{any_name}")


@pytest.fixture
def examine(studio: Studio, patient: Collection) -> Examine:
    async def examined() -> Examined:
        (one,) = (await doctor(studio.container.settings, patient.name)).collections
        return one

    return examined


async def change(studio: Studio, *statements: str) -> None:
    """Run statements, and let PostgreSQL count what they did at once."""
    async with studio.container.pool.acquire() as connection:
        for statement in statements:
            await connection.execute(statement)
        await connection.execute("SELECT pg_stat_force_next_flush()")


async def optimize(studio: Studio, name: str) -> None:
    answer = await studio.client.post(f"/api/v1/collections/{name}/optimize")
    assert (await studio.work(answer.json()["task_id"]))["state"] == "succeeded"


def only(examined: Examined) -> Finding:
    (finding,) = examined.findings
    return finding


async def test_nothing_is_wrong_with_what_was_optimized(examine: Examine) -> None:
    assert not (await examine()).findings


@pytest.mark.parametrize("index", ["parts_{}_1_halfvec", "items_{}_payload"])
async def test_a_dropped_index_is_missing_until_it_is_optimized(
    studio: Studio, patient: Collection, examine: Examine, index: str
) -> None:
    name = index.format(patient.id)
    await change(studio, f"DROP INDEX {name}")
    finding = only(await examine())
    assert name in finding.problem
    assert f"{patient.name}/optimize" in finding.remedy
    await optimize(studio, patient.name)
    assert not (await examine()).findings


async def test_an_index_that_is_cut_off_is_not_valid(studio: Studio, patient: Collection, examine: Examine) -> None:
    table = f"parts_{patient.id}_1"
    for name, remedy in (("halfvec", "optimize"), ("by_hand", f"DROP INDEX CONCURRENTLY {table}_by_hand")):
        await change(studio, f"DROP INDEX IF EXISTS {table}_{name}")
        await _cut_off(studio, f"CREATE UNIQUE INDEX CONCURRENTLY {table}_{name} ON {table} (part_no)")
        finding = next(one for one in (await examine()).findings if f"{table}_{name}" in one.problem)
        assert "not valid" in finding.problem
        assert remedy in finding.remedy


async def _cut_off(studio: Studio, statement: str) -> None:
    with pytest.raises(Exception, match="could not create unique index"):
        await studio.container.pool.execute(statement)


async def test_dead_rows_and_old_statistics(studio: Studio, patient: Collection, examine: Examine) -> None:
    await change(studio, f"UPDATE items_{patient.id} SET seq = seq + 1")
    dead, stale = (await examine()).findings
    assert dead.problem == f"50% of the rows of items_{patient.id} are dead"
    assert "old statistics: 2,000 rows" in stale.problem
    await optimize(studio, patient.name)
    assert not (await examine()).findings


async def test_a_table_without_statistics(studio: Studio, patient: Collection, examine: Examine) -> None:
    await change(
        studio,
        f"CREATE TABLE again (LIKE terms_{patient.id}_1 INCLUDING ALL) WITH (autovacuum_enabled = off)",
        f"DROP TABLE terms_{patient.id}_1",
        f"ALTER TABLE again RENAME TO terms_{patient.id}_1",
        f"INSERT INTO terms_{patient.id}_1 SELECT 'term' || n, 1, 0, '' FROM generate_series(1, 1000) n",
    )
    assert f"terms_{patient.id}_1 has no statistics" in only(await examine()).problem


async def test_bloat_of_a_table(studio: Studio, patient: Collection, examine: Examine) -> None:
    await change(studio, *[f"UPDATE items_{patient.id} SET seq = seq + 1"] * 4)
    await change(studio, f"VACUUM ANALYZE items_{patient.id}")
    finding = only(await examine())
    assert f"items_{patient.id} takes" in finding.problem
    await change(studio, finding.remedy.partition(": ")[2])
    assert not (await examine()).findings


async def test_bloat_of_a_graph(
    studio: Studio, patient: Collection, examine: Examine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("embedding_studio.doctor.tables._BLOAT_BYTES", 1 << 20)
    table = f"parts_{patient.id}_1"
    move = f"UPDATE {table} SET embedding = ARRAY[random() - 0.5, random()]::vector"
    await change(studio, *[move] * 3)
    finding = next(one for one in (await examine()).findings if f"{table}_halfvec takes" in one.problem)
    await change(studio, finding.remedy)
    assert f"{table}_halfvec" not in str((await examine()).findings)


async def test_terms_in_fragments(studio: Studio, patient: Collection, examine: Examine) -> None:
    await change(studio, f"INSERT INTO terms_{patient.id}_1 SELECT '', 0, 0, '' FROM generate_series(1, 600)")
    assert "601 fragments" in only(await examine()).problem
    await optimize(studio, patient.name)
    assert not (await examine()).findings


async def test_low_recall_counts_once_it_was_measured_often(
    studio: Studio, patient: Collection, examine: Examine
) -> None:
    async with studio.container.pool.acquire() as connection:
        for _ in range(19):
            await note_recall(connection, patient, "1-10%", 0.5)
            await note_recall(connection, patient, "no filter", 0.99)
        assert not (await examine()).findings
        await note_recall(connection, patient, "1-10%", 0.5)
    problem = only(await examine()).problem
    assert "0.500" in problem
    assert "1-10%, ef_search 100" in problem


async def test_a_lost_plugin(studio: Studio, patient: Collection, tmp_path: Path) -> None:
    settings = studio.container.settings.model_copy(update={"plugins": tmp_path})
    (examined,) = (await doctor(settings, patient.name)).collections
    assert "'vectors'" in only(examined).problem


async def test_a_disk_that_a_reindex_would_fill(examine: Examine) -> None:
    examined = await examine()
    assert not list(findings_of_disk([examined], 100 << 30))
    assert not list(findings_of_disk([examined], None))
    (finding,) = findings_of_disk([examined], 1 << 29)
    assert "512.0 MB of disk are free" in finding.problem


async def test_a_collection_that_is_not_there(studio: Studio) -> None:
    with pytest.raises(CollectionNotFoundError):
        await doctor(studio.container.settings, "nothing")


async def test_a_database_that_does_not_answer(studio: Studio) -> None:
    nowhere = studio.container.settings.postgres.model_copy(
        update={"dsn": SecretStr("postgresql://a:b@127.0.0.1:1/c"), "connect_timeout": 1.0}
    )
    with pytest.raises(UnavailableError):
        await doctor(studio.container.settings.model_copy(update={"postgres": nowhere}), None)


async def test_the_table_names_everything(studio: Studio, patient: Collection) -> None:
    report = await doctor(studio.container.settings, patient.name)
    wrong = replace(report, free_bytes=5 << 30, findings=(Finding("[too full]", "a larger disk"),))
    console = Console(record=True, width=200)
    show(wrong, console)
    text = console.export_text()
    for word in (f"items_{patient.id}", "halfvec", "fragments", "2,000 items", "[too full]", "a larger disk", "5.0 GB"):
        assert word in text


async def test_the_command(studio: Studio, patient: Collection) -> None:
    """Status 0 and JSON while all is well, status 1 when something is to be done."""
    well, report = await _run(studio, patient.name)
    assert (well, report["ok"], report["collections"][0]["items"]) == (0, True, COUNT)
    await change(studio, f"DROP INDEX items_{patient.id}_payload")
    ill, report = await _run(studio, patient.name)
    assert (ill, report["ok"], report["collections"][0]["missing"]) == (1, False, [f"items_{patient.id}_payload"])


async def _run(studio: Studio, name: str) -> tuple[int, Any]:
    settings = studio.container.settings
    addresses = {
        "POSTGRES__DSN": settings.postgres.dsn.get_secret_value(),
        "MONGO__URL": settings.mongo.url.get_secret_value(),
        "REDIS__URL": settings.redis.url.get_secret_value(),
    }
    environment = {**os.environ, **{f"EMBEDDING_STUDIO_{name}": value for name, value in addresses.items()}}
    command = [sys.executable, "-m", "embedding_studio", "doctor", "--json", name]
    done = await asyncio.to_thread(
        subprocess.run, command, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    return done.returncode, json.loads(done.stdout)
