from pathlib import Path
from typing import Literal

import pytest

from embedding_studio.bench.charts import Chart, draw
from embedding_studio.simulation.quality import Estimate

SOME = [Estimate(0.1, 0.05, 0.2), Estimate(-0.1, -0.2, 0.0)]


@pytest.mark.parametrize("kind", ["bars", "curves"])
def test_a_chart_names_its_places_and_its_series(tmp_path: Path, kind: Literal["bars", "curves"]) -> None:
    path = tmp_path / "new" / "charts.svg"
    draw([Chart("What was learnt", "gain", ["all pairs", "weighted"], {"a": SOME, "b": SOME}, kind)], path)
    drawn = path.read_text(encoding="utf-8")
    assert all(f"<!-- {word} -->" in drawn for word in ("What was learnt", "gain", "all pairs", "weighted", "a", "b"))


def test_an_estimate_outside_of_its_interval_is_drawn_all_the_same(tmp_path: Path) -> None:
    draw([Chart("odd", "gain", ["x"], {"a": [Estimate(0.3, 0.4, 0.5)]})], tmp_path / "odd.png")
    assert (tmp_path / "odd.png").stat().st_size > 0
