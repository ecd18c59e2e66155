import json
from collections.abc import Callable

import pytest

from embedding_studio.demo.record import DemoReport


def test_the_figures_are_those_of_never_clicked_queries(a_report: Callable[..., DemoReport]) -> None:
    figures = json.loads(json.dumps(a_report("reject", "promote").as_json()))
    assert figures["ndcg10_before"] == 0.2
    assert figures["ndcg10_after"] == pytest.approx(0.3)
    assert figures["delta_ci95"] == [0.08, 0.12]
    assert (figures["queries"], figures["items"], figures["sessions"], figures["events"]) == (1_550, 17_472, 200, 300)
    assert figures["seconds"] == {"ingest": 60.0, "total": 240.0}
    assert figures["users"] == "simulated users"


@pytest.mark.parametrize(
    ("decisions", "day", "decision"),
    [
        (("not_enough_evidence", "promote", "reject"), 2, "promote"),
        (("promote", "promote"), 2, "promote"),
        (("not_enough_evidence", "reject"), 2, "reject"),
        (("not_enough_evidence",), 1, "not_enough_evidence"),
    ],
)
def test_the_gate_is_that_of_what_is_served(
    decisions: tuple[str, ...], day: int, decision: str, a_report: Callable[..., DemoReport]
) -> None:
    figures = a_report(*decisions).as_json()
    assert figures["gate"] == {"day": day, "decision": decision, "reasons": [f"reason of day {day}"]}
    assert figures["mlflow_run_id"] == f"run-{day}"
    assert [one["gate"]["decision"] for one in figures["days"]] == list(decisions)
