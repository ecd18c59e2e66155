import gzip
import json
from pathlib import Path

import pytest

from embedding_studio.kernel.errors import InvalidError, NotFoundError
from embedding_studio.simulation.world import read_world


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twenty queries, each with items of the grades 0 to 3; two queries have one text."""
    items = [{"id": f"i{number}", "payload": {"title": f"thing {number}"}} for number in range(80)]
    queries = [{"id": f"q{number}", "text": f"words {min(number, 18)}"} for number in range(20)]
    grades = [f"q{number}\ti{4 * number + grade}\t{grade}" for number in range(20) for grade in range(4)]
    for name, rows in (("items", items), ("queries", queries)):
        with gzip.open(tmp_path / f"{name}.jsonl.gz", "wt", encoding="utf-8") as lines:
            lines.write("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "qrels.tsv").write_text("\n".join(grades), encoding="utf-8")
    return tmp_path


def test_gains_are_grades_by_the_highest(folder: Path) -> None:
    world = read_world(folder, seed=0)
    assert len(world.items) == 80
    (first,) = [query for query in world.on(1).asked if query.text == "words 0"]
    assert first.gains == pytest.approx({"i0": 0.0, "i1": 1 / 3, "i2": 2 / 3, "i3": 1.0})


def test_a_text_is_asked_about_once_and_a_share_never(folder: Path) -> None:
    truth = read_world(folder, seed=0, never_asked=0.3).on(1)
    texts = [query.text for query in truth.queries]
    assert len(texts) == len(set(texts)) == 19
    assert len(truth.never_asked) == 6


def test_the_seed_decides(folder: Path) -> None:
    assert read_world(folder, seed=3, drift_day=2) == read_world(folder, seed=3, drift_day=2)
    assert read_world(folder, seed=3) != read_world(folder, seed=4)


def test_tastes_change_on_their_day(folder: Path) -> None:
    world = read_world(folder, seed=0, never_asked=0.3, drift_day=5)
    assert world.on(0) == world.on(4) == read_world(folder, seed=0, never_asked=0.3).on(9)
    before, after = world.on(4), world.on(5)
    assert [query.text for query in before.queries] == [query.text for query in after.queries]
    assert before != after
    for one, other in zip(before.queries, after.queries, strict=True):
        assert sorted(one.gains.values()) == sorted(other.gains.values())


def test_what_cannot_be_simulated_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidError):
        read_world(folder, seed=0, never_asked=1.0)
    with pytest.raises(NotFoundError):
        read_world(tmp_path / "nowhere", seed=0)
