"""What is stopped finishes what it has begun, or gives it back, and ends, whatever a plugin does."""

import signal
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import httpx
import pytest

from embedding_studio.infra.embedded import free_port
from installation import Installation, state_of, until, until_done
from servers import embedded_servers

pytestmark = pytest.mark.e2e

MORE_THAN_THREADS = 30
SHOP = "/api/v1/collections/shop"
PLUGIN = """
import time
from pathlib import Path

from embedding_studio.sdk import EmbeddingPlugin, FieldsText, Ranking

BEGUN, HELD = Path("{folder}/begun"), Path("{folder}/held")


class Held(FieldsText):
    def build(self, tokenizer=None):
        make = super().build(tokenizer)

        def text_of(payload):
            BEGUN.touch()
            while HELD.exists():
                time.sleep(0.01)
            return make(payload)

        return text_of


class HeldQuery:
    def build(self):
        return Held().build()


plugin = EmbeddingPlugin(name="held", text=Held(), encoder=None, ranking=Ranking(query=[HeldQuery()]))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("drain")


@pytest.fixture(scope="module")
def installation(folder: Path) -> Iterator[Installation]:
    (folder / "plugins").mkdir()
    (folder / "plugins" / "held.py").write_text(PLUGIN.format(folder=folder))
    with embedded_servers() as urls:
        made = Installation(urls, folder, PLUGINS=folder / "plugins")
        made.run("migrate")
        yield made


@pytest.fixture(scope="module")
def client(installation: Installation) -> Iterator[httpx.Client]:
    """Of an API without workers, with a collection whose items wait for a file to go."""
    with installation.serving(), installation.client() as client:
        new = {"name": "shop", "plugin": "held", "options": {"dimensions": 2}}
        assert client.post("/api/v1/collections", json=new).status_code == 201
        yield client


@pytest.fixture
def held(folder: Path) -> Path:
    """The file that holds tasks."""
    (folder / "begun").unlink(missing_ok=True)
    (folder / "held").touch()
    return folder / "held"


def task_of(client: httpx.Client, item: str) -> str:
    items = [{"id": item, "payload": {"title": "a lamp"}, "vector": [1, 2]}]
    return str(client.post(f"{SHOP}/items", json={"items": items}).json()["task_id"])


def worker(installation: Installation, *, drain: float) -> AbstractContextManager["subprocess.Popen[bytes]"]:
    return installation.running("worker", "--role", "upsert", extra={"EMBEDDING_STUDIO_TASKS__DRAIN": str(drain)})


def test_a_task_that_was_begun_is_finished_and_no_other_is_begun(
    installation: Installation, client: httpx.Client, held: Path
) -> None:
    tasks = [task_of(client, f"a{number}") for number in range(MORE_THAN_THREADS)]
    with worker(installation, drain=60) as stopping:
        until((held.parent / "begun").exists)
        stopping.send_signal(signal.SIGTERM)
        held.unlink()
        assert stopping.wait(60) == 0
    states = [state_of(client, task) for task in tasks]
    assert set(states) == {"succeeded", "pending"}
    with worker(installation, drain=60):
        until_done(client, tasks)


def test_a_task_that_takes_longer_is_given_back_and_done_by_another(
    installation: Installation, client: httpx.Client, held: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    task = task_of(client, "c")
    with worker(installation, drain=0.2) as stopping:
        until((held.parent / "begun").exists)
        stopping.send_signal(signal.SIGTERM)
        until(lambda: state_of(client, task) == "pending")
        assert stopping.wait(60) != 0  # what the plugin does not end is left behind
    assert " ERROR " not in capfd.readouterr().err
    held.unlink()
    with worker(installation, drain=60):
        until_done(client, [task])
    assert client.get(f"{SHOP}/items/c").status_code == 200


def test_an_api_ends_though_a_plugin_does_not(installation: Installation, client: httpx.Client, held: Path) -> None:
    port = free_port()
    with installation.serving(API__PORT=port) as stopping:

        def holds() -> bool:
            found = client.post(f"http://127.0.0.1:{port}{SHOP}/search", json={"query": "a lamp"})
            assert found.status_code == 200, found.text
            return held.with_name("begun").exists()

        until(holds)
        stopping.send_signal(signal.SIGTERM)
        assert stopping.wait(60) != 0
