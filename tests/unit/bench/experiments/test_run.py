from pathlib import Path

import pytest

from embedding_studio.bench.experiments import SECTIONS, Sizes, bench_experiments, report
from embedding_studio.kernel.errors import InvalidError

SIZES = Sizes(experiments=2, sessions=1_000, say=lambda _: None)


def test_every_section_gives_figures_and_the_lift_a_chart(tmp_path: Path) -> None:
    figures = bench_experiments(only=(), sizes=SIZES, plot=tmp_path / "plot.svg")
    assert {one.section for one in figures} == {"machine", *SECTIONS}
    assert "lift.interleaving_by_user_median_sessions" in report(figures)
    assert (tmp_path / "plot.svg").read_text().count("<svg") == 1


def test_an_unknown_section_is_refused() -> None:
    with pytest.raises(InvalidError, match="no section luck; there are: null"):
        bench_experiments(only=["luck"], sizes=SIZES, plot=None)
