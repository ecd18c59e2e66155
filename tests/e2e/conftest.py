"""`embedding-studio up` as a person runs it."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from embedding_studio.infra.embedded import free_port
from embedding_studio.infra.shipped import shipped
from installation import finished_task, is_ready, until
from small_encoder import save_small_encoder


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("up")


@pytest.fixture(scope="session")
def goods(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the loader `files` of the plugin `goods` reads."""
    return tmp_path_factory.mktemp("goods")


@pytest.fixture(scope="session")
def plugins(tmp_path_factory: pytest.TempPathFactory, goods: Path) -> Path:
    """The shipped plugins, one with a loader, and one with an encoder that is trained in seconds."""
    folder = tmp_path_factory.mktemp("plugins") / "plugins"
    shutil.copytree(shipped("plugins"), folder)
    (folder / "goods.py").write_text(
        "from embedding_studio.sdk import EmbeddingPlugin, FileLoader\n"
        f"plugin = EmbeddingPlugin(name='goods', loaders={{'files': FileLoader({str(goods)!r}, '*.jsonl')}})\n"
    )
    (folder / "small.py").write_text(
        "from embedding_studio.sdk import EmbeddingPlugin, SentenceEncoder\n"
        f"encoder = SentenceEncoder({save_small_encoder(tmp_path_factory.mktemp('small'))!r})\n"
        "plugin = EmbeddingPlugin(name='small', encoder=encoder)\n"
    )
    return folder


@contextmanager
def running_up(data_dir: Path, *, cwd: Path | None = None, **settings: object) -> Iterator[httpx.Client]:
    """A client of an API that runs with its workers in processes of their own, with settings by `<GROUP>__<NAME>`.

    They run in the folder `cwd`, or else in this process's.
    """
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "embedding_studio", "up", "--data-dir", str(data_dir), "--port", str(port)]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("EMBEDDING_STUDIO_")}
    ours = {f"EMBEDDING_STUDIO_{name}": str(value) for name, value in settings.items()}
    with (
        subprocess.Popen(command, env=clean | ours, cwd=cwd) as process,
        httpx.Client(base_url=url, timeout=60.0) as client,
    ):
        try:
            until(lambda: is_ready(url, process))
            yield client
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(180) == 0


@pytest.fixture(scope="session")
def api(data_dir: Path, plugins: Path) -> Iterator[httpx.Client]:
    """A client of an API that all tests share."""
    with running_up(data_dir, PLUGINS=plugins, TASKS__LEASE=15, TASKS__SWEEP_EVERY=1) as client:
        yield client


@pytest.fixture(scope="session")
def finished(api: httpx.Client) -> Callable[[httpx.Response], dict[str, object]]:
    """Waits for the task that a request started, and returns it."""
    return lambda answer: finished_task(api, answer)
