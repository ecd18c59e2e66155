from pathlib import Path

import pytest

from embedding_studio.bench.learning.trainer import PACES, Race
from small_encoder import COLORS, NAMES, THINGS, save_small_encoder


@pytest.mark.parametrize("name", PACES)
def test_both_trainers_run_on_the_same_pairs_and_leave_nothing(tmp_path: Path, name: str) -> None:
    model = save_small_encoder(tmp_path / "model")
    work = tmp_path / "work"
    work.mkdir()
    queries = [f"my {name}" for name in NAMES for _ in COLORS] * 3
    items = [f"{color} {thing}" for thing in THINGS for color in COLORS] * 3
    assert PACES[name](Race(model, queries, items, work)) > 0
    assert not list(work.iterdir())
