import pytest

from embedding_studio.bench.figures import at_least, at_most, report, rows, seen


@pytest.mark.parametrize(("measured", "ok"), [(0.94, False), (0.95, True), (1.0, True)])
def test_a_figure_must_not_be_below_what_is_asked(measured: float, ok: bool) -> None:
    assert at_least("filters", "recall", measured, 0.95).ok is ok


@pytest.mark.parametrize(("measured", "ok"), [(2.0, True), (3.5, True), (3.6, False)])
def test_a_figure_must_not_be_above_what_is_asked(measured: float, ok: bool) -> None:
    assert at_most("vectors", "p50", measured, 3.5).ok is ok


def test_the_report_says_of_every_figure_what_was_asked_and_whether_it_is_met() -> None:
    figures = [at_most("vectors", "p50", 4.0, 3.5, unit="ms", floor=2.0), seen("vectors", "p99", 9.0, "ms", note="x")]
    assert report(figures) == {
        "vectors.p50": {"measured": 4.0, "unit": "ms", "floor": 2.0, "asked": "<= 3.5", "ok": False, "note": ""},
        "vectors.p99": {"measured": 9.0, "unit": "ms", "floor": None, "asked": None, "ok": True, "note": "x"},
    }


def test_the_table_marks_what_is_not_met() -> None:
    failed, met, free = rows(
        [
            at_most("vectors", "p50", 4.25, 3.5, unit="ms", floor=2.0),
            at_least("vectors", "throughput", 2_000.4, 1_500, unit="/s"),
            seen("vectors", "p99", 9.0, "ms"),
        ]
    )
    assert failed == {
        "figure": "vectors.p50",
        "measured": "4.250 ms",
        "floor": "2 ms",
        "asked": "<= 3.500 ms",
        "ok": "NO",
    }
    assert (met["measured"], met["floor"], met["ok"]) == ("2,000 /s", "", "yes")
    assert (free["asked"], free["ok"]) == ("", "")
