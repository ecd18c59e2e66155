"""The README and the guides name only what is there; what their examples do is tried in tests/e2e/test_docs.py."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from typer.testing import CliRunner

from documentation import PAGES, ROOT, Block, blocks_of, commands_of, differences
from embedding_studio.cli import app
from embedding_studio.sdk import EmbeddingPlugin, find_plugins
from embedding_studio.sdk.conformance import check
from embedding_studio.settings import PREFIX, Settings, _is_known

BLOCKS = [block for page in PAGES for block in blocks_of(page)]
SCRIPTS = [block for block in BLOCKS if block.language == "sh"]
MODULES = [block for block in BLOCKS if block.language == "python"]
PROSE = {page: re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL) for page in PAGES}
SOURCES = "\n".join(path.read_text() for path in sorted((ROOT / "src").rglob("*.py")))
PAYLOADS = [{}, {"title": "a", "sold": 5, "added_at": "2026-01-01", "stock": 3, "tags": ["b"], "minutes": 5}]
HARMLESS = {"curl", "echo", "embedding-studio", "grep", "jq", "mkdir"}

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def paths_of(page: Path) -> list[list[str]]:
    """Every setting that a page names, in any of the ways in which the pages do, as group and name."""
    text, prose = page.read_text(), PROSE[page]
    whole = set(re.findall(rf"{PREFIX}([A-Z_]+[A-Z])(?![A-Z_<])", text)) - {"ENV", "KEY"}
    short = re.findall(rf"`(?!{PREFIX})((?:[A-Z]+_)*[A-Z]+__[A-Z_]*[A-Z])(?:=[^`]*)?`", prose)
    dotted = set(re.findall(r"`([a-z_]+\.[a-z_.]+)`", prose)) - {"postgres.dump"}
    named = [name.split(".") for name in dotted if name.split(".")[0] in Settings.model_fields]
    return [name.lower().split("__") for name in [*whole, *short]] + named


def ending_of(page: Path) -> list[str]:
    """The names of settings whose group is said elsewhere: `…__NAME`."""
    return [name.lower().split("__")[-1] for name in re.findall(r"`…__([A-Z_]+)`", PROSE[page])]


def targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", PROSE[page], re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@each_page
def test_what_is_linked_to_is_there(page: Path) -> None:
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", PROSE[page]):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert not broken


@each_page
def test_settings_that_are_named_exist(page: Path) -> None:
    assert [path for path in paths_of(page) if not _is_known(path)] == []
    names = names_in(Settings)
    assert [name for name in ending_of(page) if name not in names] == []


@each_page
def test_metrics_that_are_named_exist(page: Path) -> None:
    named = re.findall(r"\bembedding_studio_([a-z_]+)(?![a-z_.*])", page.read_text())
    table = PROSE[page].partition("| metric `embedding_studio_…` |")[2].partition("\n\n")[0]
    named += [name for row in table.splitlines() for name in re.findall(r"`([a-z_]+)`", row.partition(" | ")[0])]
    assert [name for name in named if not is_metric(name)] == []


@each_page
def test_code_is_fenced_with_its_language(page: Path) -> None:
    assert [str(block) for block in blocks_of(page) if not block.language] == []
    indented = re.findall(r"(?:^|\n)\n {4}\S.*", PROSE[page])
    assert indented == []


@pytest.mark.parametrize("block", SCRIPTS, ids=str)
def test_commands_and_targets_exist(block: Block) -> None:
    for words in commands_of(block.text):
        if words[0].endswith("embedding-studio"):
            assert_is_command(words[1:])
        if words[0] == "make":
            assert set(targets_of(words)) <= targets(), words


@pytest.mark.parametrize("block", [block for block in SCRIPTS if block.is_run], ids=str)
def test_what_is_run_cannot_harm_the_machine(block: Block) -> None:
    assert {words[0] for words in commands_of(block.text)} <= HARMLESS


@pytest.mark.parametrize("block", MODULES, ids=str)
def test_plugins_load_and_conform(block: Block, tmp_path: Path) -> None:
    (tmp_path / "guide.py").write_text(block.text)
    names: dict[str, Any] = {"__name__": __name__}  # a dataclass looks its module up by name
    exec(compile(block.text, str(block), "exec"), names)
    for plugin in [one for one in names.values() if isinstance(one, EmbeddingPlugin)]:
        check(plugin, payloads=PAYLOADS)
    if isinstance(names.get("plugin"), EmbeddingPlugin):
        assert [one.detail for one in find_plugins(tmp_path).found] == [""]


def test_the_index_names_every_page() -> None:
    index = (ROOT / "docs" / "README.md").read_text()
    assert [page.name for page in PAGES[1:] if page.name != "README.md" and f"({page.name})" not in index] == []


def test_an_answer_must_have_what_is_shown_and_may_have_more() -> None:
    shown = {"a": 1, "b": [{"c": "x"}]}
    assert differences(shown, {"a": 2.5, "b": [{"c": "y", "d": None}, {}], "e": True}) == []
    assert differences(shown, {"b": []}) == [".a is not in the answer", ".b has 0 members, not 1"]
    assert differences(shown, {"a": True, "b": [{}]}) == [".a is True, not as 1", ".b[0].c is not in the answer"]


def test_commands_are_read_as_a_shell_reads_them() -> None:
    script = 'A=1 make test ARGS="-k x" # why\nID=$(curl x | jq -r .id)\nembedding-studio \\\n  up > log && sleep 1\n'
    first, *others = commands_of(script)
    assert first == ["make", "test", "ARGS=-k x"]
    assert others == [["curl", "x"], ["jq", "-r", ".id)"], ["embedding-studio", "up", ">", "log"], ["sleep", "1"]]


def is_metric(name: str) -> bool:
    """Whether the source makes it: metrics are named there whole or behind `gauge`, without what the client adds."""
    base = re.sub(r"_(total|bucket|count|sum)$", "", name)
    return any(re.search(rf'"(embedding_studio_)?{one}(_total)?"', SOURCES) for one in (name, base))


def names_in(group: type[BaseModel]) -> set[str]:
    """The names of a group's settings, and of the groups in it."""
    kinds = [field.annotation for field in group.model_fields.values()]
    inner = [names_in(kind) for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)]
    return set(group.model_fields).union(*inner)


def targets_of(words: Sequence[str]) -> list[str]:
    return [word for word in words[1:] if re.fullmatch(r"[a-z-]+", word)]


def assert_is_command(words: Sequence[str]) -> None:
    """Commands and options that there are not end with status 2, before `--help` has its say."""
    done = CliRunner().invoke(app, [*words, "--help"])
    assert done.exit_code == 0, (words, done.output)
