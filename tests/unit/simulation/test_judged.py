import gzip
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from embedding_studio.simulation.judged import JudgedSet
from embedding_studio.simulation.quality import ndcg_at_10


def test_the_ideal_ranking_is_worth_one_and_unjudged_items_nothing() -> None:
    gains = {"a": 3.0, "b": 2.0, "c": 0.0}
    assert ndcg_at_10(["a", "b"], gains) == 1.0
    assert ndcg_at_10(["x", "y"], gains) == 0.0
    assert ndcg_at_10([], gains) == 0.0


def test_gains_are_linear_and_discounted_by_rank() -> None:
    ideal = 3 + 2 / 1.584962500721156
    assert ndcg_at_10(["x", "a"], {"a": 3.0, "b": 2.0}) == pytest.approx((3 / 1.584962500721156) / ideal)


def test_what_comes_after_the_tenth_place_counts_for_nothing() -> None:
    assert ndcg_at_10([f"x{place}" for place in range(10)] + ["a"], {"a": 1.0}) == 0.0


def _write(path: Path, lines: Sequence[object]) -> None:
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(line) + "\n" for line in lines)


def test_a_set_is_read_without_the_queries_that_nothing_answers(tmp_path: Path) -> None:
    folder = tmp_path / "esci"
    folder.mkdir()
    _write(folder / "items.jsonl.gz", [{"id": "a", "payload": {"title": "sofa"}}])
    _write(folder / "queries.jsonl.gz", [{"id": "1", "text": "couch"}, {"id": "2", "text": "lamp"}])
    (folder / "qrels.tsv").write_text("1\ta\t3\n1\tb\t0\n2\ta\t0\n", encoding="utf-8")
    judged = JudgedSet.read(folder)
    assert (judged.name, len(judged.items), judged.queries) == ("esci", 1, {"1": "couch"})
    assert judged.gains == {"1": {"a": 3.0, "b": 0.0}}
    assert judged.splits == {}


def test_a_query_keeps_its_split(tmp_path: Path) -> None:
    _write(tmp_path / "items.jsonl.gz", [{"id": "a", "payload": {}}])
    _write(tmp_path / "queries.jsonl.gz", [{"id": "1", "text": "couch", "split": "train"}])
    (tmp_path / "qrels.tsv").write_text("1\ta\t1\n", encoding="utf-8")
    assert JudgedSet.read(tmp_path).splits == {"1": "train"}
