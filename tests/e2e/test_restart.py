"""Processes are replaced while people search, click and write: nothing fails and nothing is lost."""

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx
import psutil
import pytest

from embedding_studio.infra.shipped import shipped
from installation import Installation, finished_task, until, until_done
from servers import embedded_servers

from .shoppers import Shoppers

pytestmark = pytest.mark.e2e

SHOP = "/api/v1/collections/shop"


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Migrated, with a collection of a few items; nothing of ours runs in it yet."""
    folder = tmp_path_factory.mktemp("restart")
    plugins = folder / "plugins"
    plugins.mkdir()
    shutil.copy(shipped("plugins") / "vectors.py", plugins)
    with embedded_servers() as urls:
        # A connection goes with the next answer: it is there until somebody asks, however late they come to that.
        made = Installation(urls, folder, PLUGINS=plugins, API__LINGER=20, LOG__LEVEL="info")
        made.run("migrate")
        with made.serving(), made.running("worker", "--role", "upsert"), made.client() as client:
            new = {"name": "shop", "plugin": "vectors", "options": {"dimensions": 2}}
            assert client.post("/api/v1/collections", json=new).status_code == 201
            items = [{"id": f"first-{n}", "payload": {}, "vector": [1.0, n]} for n in range(50)]
            assert finished_task(client, client.post(f"{SHOP}/items", json={"items": items}))["state"] == "succeeded"
        yield made


def processes_of(parent: "subprocess.Popen[bytes]") -> set[int]:
    """Those that serve now."""
    return {one.pid for one in psutil.Process(parent.pid).children() if serves(one)}


def serves(process: psutil.Process) -> bool:
    try:
        return "--listener" in process.cmdline()
    except psutil.NoSuchProcess:  # or a zombie
        return False


def let_some_come(shoppers: Shoppers, how_many: int = 30) -> None:
    there, tasks = shoppers.searches, len(shoppers.tasks)
    until(lambda: shoppers.searches >= there + how_many and len(shoppers.tasks) >= tasks + 2 * shoppers.supplied)


def test_all_processes_are_replaced_under_load(installation: Installation) -> None:
    shoppers = Shoppers(installation.url, "shop")
    with installation.serving(API__PROCESSES=2) as parent:
        first = processes_of(parent)
        assert len(first) == 2
        with (
            installation.running("worker", "--role", "upsert") as old_worker,
            installation.client() as client,
            shoppers.running(),
        ):
            let_some_come(shoppers)
            parent.send_signal(signal.SIGHUP)
            until(lambda: not first & processes_of(parent) and len(processes_of(parent)) == 2)
            let_some_come(shoppers)
            with installation.running("worker", "--role", "upsert"):
                old_worker.send_signal(signal.SIGTERM)
                assert old_worker.wait(60) == 0
                let_some_come(shoppers)
                until_done(client, list(shoppers.tasks))
        with installation.running("worker", "--role", "upsert"), installation.client() as client:
            until_done(client, shoppers.tasks)
            check_nothing_is_lost(client, shoppers)
    assert parent.returncode == 0


def check_nothing_is_lost(client: httpx.Client, shoppers: Shoppers) -> None:
    assert shoppers.failures == []
    assert len(shoppers.clicks) == shoppers.searches
    for session, event in shoppers.clicks.items():
        events = client.get(f"/api/v1/sessions/{session}").json()["events"]
        assert [one["event_id"] for one in events] == [event]
    listed = {client.get(f"{SHOP}/items/{one}").status_code for one in sorted(shoppers.items)}
    assert listed == {200}


def test_a_worker_starts_and_stops_without_a_warning(
    installation: Installation, capfd: pytest.CaptureFixture[str]
) -> None:
    said: list[str] = []

    def is_ready() -> bool:
        said.append(capfd.readouterr().err)
        return "is ready" in "".join(said)

    with installation.running("worker", "--role", "upsert") as worker:
        until(is_ready)
    assert worker.returncode == 0
    said.append(capfd.readouterr().err)
    assert [line for line in "".join(said).splitlines() if " INFO " not in line] == []


def test_a_process_that_dies_is_started_again(installation: Installation) -> None:
    with installation.serving(API__PROCESSES=2) as parent, installation.client() as client:
        before = processes_of(parent)
        os.kill(min(before), signal.SIGKILL)
        until(lambda: len(processes_of(parent) - before) == 1 and len(processes_of(parent)) == 2)
        assert client.get("/health/live").status_code == 200


def test_no_process_outlives_a_parent_that_was_killed(installation: Installation) -> None:
    with installation.serving(API__PROCESSES=2) as parent:
        children = [psutil.Process(one) for one in processes_of(parent)]
        parent.kill()
        _, alive = psutil.wait_procs(children, timeout=60)
        assert alive == []


def test_a_stopping_process_says_so_first_then_closes(installation: Installation) -> None:
    with installation.serving(API__DRAIN_DELAY=300) as process, installation.client() as client:
        until(lambda: client.get("/health/ready").status_code == 200)
        process.send_signal(signal.SIGTERM)
        until(lambda: client.get("/health/ready").json()["checks"].keys() == {"process"})
        answer = client.get("/health/ready")
        assert (answer.status_code, answer.headers["connection"]) == (503, "close")
        assert answer.json() == {"status": "unavailable", "checks": {"process": "stops"}}
        search = client.post(f"{SHOP}/search", json={"query": {"vector": [1.0, 2.0]}})
        assert (search.status_code, search.headers["connection"]) == (200, "close")
        process.send_signal(signal.SIGTERM)  # a second signal is in a hurry
        process.wait(60)


def test_a_new_release_takes_over_the_socket_of_another(installation: Installation, tmp_path: Path) -> None:
    """As systemd does it: the socket is somebody else's and outlives any release, which says when it is ready."""
    shoppers = Shoppers(installation.url, "shop", supplied=False)
    notify = tmp_path / "notify"
    with (
        socket.create_server(("127.0.0.1", installation.port), backlog=100) as listener,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified,
    ):
        notified.bind(str(notify))
        notified.settimeout(60)
        fd = listener.fileno()
        release = partial(
            installation.running,
            *("serve", "--listener", str(fd)),
            pass_fds=(fd,),
            extra={"NOTIFY_SOCKET": str(notify)},
        )
        with release() as old:
            assert notified.recv(100) == b"READY=1"
            with shoppers.running():
                let_some_come(shoppers)
                with release():
                    assert notified.recv(100) == b"READY=1"
                    old.send_signal(signal.SIGTERM)
                    old.wait(60)
                    let_some_come(shoppers)
                    shoppers.stop()
    assert shoppers.failures == []
