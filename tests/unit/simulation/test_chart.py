from pathlib import Path

from embedding_studio.simulation.chart import draw_curve
from embedding_studio.simulation.learning import Day, LearningCurve
from embedding_studio.simulation.quality import Estimate


def test_both_kinds_of_queries_are_drawn(tmp_path: Path) -> None:
    one = Estimate(0.5, 0.45, 0.55)
    days = [
        Day(
            number=number,
            sessions=1,
            events=1,
            model_version=1,
            decision=None,
            seen=one,
            never_seen=one,
            change_seen=one,
            change_never_seen=one,
        )
        for number in range(3)
    ]
    draw_curve(LearningCurve(0, days), tmp_path / "deep" / "curve.svg")
    assert "<svg" in (tmp_path / "deep" / "curve.svg").read_text(encoding="utf-8")
