"""More than one of everything: two APIs, four workers of a role, and a replica that goes away while people search."""

import asyncio
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace

import asyncpg
import httpx
import pytest

from embedding_studio.infra.embedded import free_port
from embedding_studio.infra.shipped import shipped
from installation import Installation, finished_task, until, until_done
from replication import Pair, replicated
from servers import embedded_servers

from .shoppers import Shoppers

pytestmark = pytest.mark.e2e

SHOP = "/api/v1/collections/shop"
WORKERS = 4


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    with replicated() as pair:
        yield pair


@pytest.fixture(scope="module")
def installation(pair: Pair, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("scaling")
    plugins = folder / "plugins"
    plugins.mkdir()
    shutil.copy(shipped("plugins") / "vectors.py", plugins)
    with embedded_servers() as urls:
        ours = replace(urls, postgres=pair.primary)
        # No worker dies here: none is to be taken for dead, however long the machine lets it wait.
        made = Installation(ours, folder, PLUGINS=plugins, POSTGRES__REPLICA_DSN=pair.replica, TASKS__LEASE=300)
        made.run("migrate")
        yield made


def queries_at(address: str) -> int:
    """How many searches of the collection's parts a server was asked, by its own count of scans."""

    scans = value_at(
        address,
        "SELECT coalesce(sum(seq_scan + coalesce(idx_scan, 0)), 0)::bigint FROM pg_stat_user_tables"
        " WHERE relname LIKE 'parts_%'",
    )
    return int(str(asyncio.run(scans)))


def written_at(primary: str) -> str:
    """How far the log of the primary goes, what is not yet written to disk included: it commits before that."""
    return str(asyncio.run(value_at(primary, "SELECT pg_current_wal_insert_lsn()::text")))


def has_replayed(replica: str, place: str) -> bool:
    return bool(asyncio.run(value_at(replica, f"SELECT pg_last_wal_replay_lsn() >= '{place}'::pg_lsn")))


async def value_at(address: str, query: str) -> object:
    connection = await asyncpg.connect(address)
    value: object = await connection.fetchval(query)
    await connection.close()
    return value


def test_work_is_shared_and_done_once_and_a_lost_replica_is_no_loss(installation: Installation, pair: Pair) -> None:
    second = free_port()
    with ExitStack() as stack:
        stack.enter_context(installation.serving())
        stack.enter_context(installation.serving(API__PORT=second))
        for _ in range(WORKERS):
            stack.enter_context(installation.running("worker", "--role", "upsert"))
        api = stack.enter_context(installation.client())
        new = {"name": "shop", "plugin": "vectors", "options": {"dimensions": 2}}
        assert api.post("/api/v1/collections", json=new).status_code == 201
        items = [{"id": f"first-{n}", "payload": {}, "vector": [1.0, n]} for n in range(50)]
        assert finished_task(api, api.post(f"{SHOP}/items", json={"items": items}))["state"] == "succeeded"
        place = written_at(pair.primary)
        until(lambda: has_replayed(pair.replica, place))  # searches may miss what it has not
        people = [Shoppers(f"http://127.0.0.1:{port}", "shop") for port in (installation.port, second)]
        with people[0].running(), people[1].running():
            until(lambda: queries_at(pair.replica) > 0 and all(len(one.tasks) > 10 for one in people))
            pair.child.kill()
            searched = [one.searches for one in people]
            until(lambda: all(one.searches > before + 20 for one, before in zip(people, searched, strict=True)))
        check_done_once(api, [task for one in people for task in one.tasks])
        assert [one.failures for one in people] == [[], []]
        lost = {item for one in people for item in one.items if api.get(f"{SHOP}/items/{item}").status_code != 200}
        assert lost == set()


def check_done_once(api: httpx.Client, tasks: list[str]) -> None:
    until_done(api, tasks)
    assert {api.get(f"/api/v1/tasks/{one}").json()["attempts"] for one in tasks} == {1}
