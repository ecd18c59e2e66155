"""A plugin that does not load is reported by the command line and in the log, and the others work."""

import json
import logging
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from embedding_studio.infra.shipped import shipped
from embedding_studio.sdk import find_plugins

BROKEN = {
    "syntax": "def (:\n",
    "raising": "raise ValueError('no luck')\n",
    "leaving": "raise SystemExit(0)\n",
    "other": "plugin = 5\n",
    "twin": "from embedding_studio.sdk import EmbeddingPlugin\nplugin = EmbeddingPlugin(name='text')\n",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The shipped plugins among broken ones."""
    folder = Path(shutil.copytree(shipped("plugins"), tmp_path / "plugins"))
    for name, source in BROKEN.items():
        (folder / f"{name}.py").write_text(source)
    return folder


def test_the_command_lists_all_and_says_that_some_are_broken(folder: Path) -> None:
    command = [sys.executable, "-m", "embedding_studio", "plugins", "--folder", str(folder), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    found = {one["name"]: one for one in json.loads(done.stdout)}
    assert done.returncode == 1
    assert {name for name, one in found.items() if one["status"] == "ok"} >= {"movies", "shop", "text", "vectors"}
    assert {name for name, one in found.items() if one["status"] == "broken"} == set(BROKEN)
    assert "SyntaxError" in found["syntax"]["detail"]
    assert "no luck" in found["raising"]["detail"]
    assert "'text'" in found["twin"]["detail"]


def test_the_command_is_content_with_what_we_ship() -> None:
    command = [sys.executable, "-m", "embedding_studio", "plugins"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout
    assert "broken" not in done.stdout


def test_every_process_logs_them_when_it_starts(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        find_plugins(folder)
    assert {name for name in BROKEN if f"the plugin {name!r} is broken" in caplog.text} == set(BROKEN)
