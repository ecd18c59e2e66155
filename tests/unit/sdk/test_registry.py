"""Plugins are found; one that does not load is reported and stops no other."""

import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from embedding_studio.kernel.errors import InvalidError
from embedding_studio.sdk import find_plugins, registry

GOOD = "from embedding_studio.sdk import EmbeddingPlugin\nplugin = EmbeddingPlugin(name={name!r}, version='7')\n"
BROKEN = {
    "syntax": "def (:\n",
    "bytes": "plugin = '\udcff'",
    "empty": "",
    "dictionary": "plugin = {'name': 'dictionary'}\n",
    "raising": "raise ValueError('no [/luck]')\n",
    "leaving": "import sys\nsys.exit(3)\n",
    "importing": "import no_such_module_anywhere\n",
    "recursing": "def f():\n    f()\nf()\n",
    "naming": GOOD.format(name="Not A Name"),
    "partial": "from embedding_studio.sdk import EmbeddingPlugin\nplugin = EmbeddingPlugin(name='partial', text=5)\n",
}


@pytest.fixture(autouse=True)
def _no_installed_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "entry_points", lambda group: ())  # noqa: ARG005  # called by keyword


def write(folder: Path, name: str, source: str) -> None:
    (folder / f"{name}.py").write_bytes(source.encode(errors="surrogateescape"))


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_reported_and_the_rest_works(tmp_path: Path, name: str) -> None:
    write(tmp_path, name, BROKEN[name])
    write(tmp_path, "a_good_one", GOOD.format(name="first"))
    write(tmp_path, "z_good_one", GOOD.format(name="last"))
    plugins = find_plugins(tmp_path)
    assert [(one.name, one.version, one.status) for one in plugins.found] == [
        ("first", "7", "ok"),
        (name, "", "broken"),
        ("last", "7", "ok"),
    ]
    assert plugins.found[1].detail
    assert [one.name for one in plugins.working()] == ["first", "last"]


def test_a_file_that_raised_leaves_no_module_behind(tmp_path: Path) -> None:
    write(tmp_path, "raising", BROKEN["raising"])
    find_plugins(tmp_path)
    assert "embedding_studio_plugins.raising" not in sys.modules


def test_of_two_with_one_name_the_first_is_kept(tmp_path: Path) -> None:
    write(tmp_path, "one", GOOD.format(name="same"))
    write(tmp_path, "two", GOOD.format(name="same"))
    first, second = find_plugins(tmp_path).found
    assert (first.name, first.status) == ("same", "ok")
    assert (second.name, second.status) == ("two", "broken")
    assert "'same'" in second.detail


def test_a_broken_file_takes_no_name_from_a_working_plugin(tmp_path: Path) -> None:
    write(tmp_path, "books", "raise ValueError\n")
    write(tmp_path, "other", GOOD.format(name="books"))
    assert find_plugins(tmp_path).get("books").version == "7"


def test_installed_packages_offer_plugins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    write(tmp_path, "installed_package", GOOD.format(name="installed"))
    monkeypatch.syspath_prepend(tmp_path)
    points = (
        EntryPoint("installed", "installed_package:plugin", registry.ENTRY_POINTS),
        EntryPoint("gone", "no_such_package:plugin", registry.ENTRY_POINTS),
    )
    monkeypatch.setattr(registry, "entry_points", lambda group: points if group == registry.ENTRY_POINTS else ())
    found = find_plugins(tmp_path / "empty").found
    assert [(one.name, one.status) for one in found] == [("installed", "ok"), ("gone", "broken")]


def test_who_asks_for_a_plugin_that_does_not_work_learns_why(tmp_path: Path) -> None:
    write(tmp_path, "broken", "raise ValueError('no luck')\n")
    write(tmp_path, "good", GOOD.format(name="good"))
    plugins = find_plugins(tmp_path)
    with pytest.raises(InvalidError, match="no luck"):
        plugins.get("broken")
    with pytest.raises(InvalidError, match="there are: good") as caught:
        plugins.get("unknown")
    assert caught.value.errors[0].field == "plugin"
