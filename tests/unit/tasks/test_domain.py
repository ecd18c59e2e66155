"""How a task over items ends."""

from hypothesis import given
from hypothesis import strategies as st

from embedding_studio.tasks import FailedItem, Outcome


@given(st.integers(0, 5), st.integers(0, 5))
def test_all_some_or_none_failed(total: int, failed: int) -> None:
    outcome = Outcome.of_items(total, [FailedItem("a", "embed", "no")], failed_total=failed)
    expected = "succeeded" if failed == 0 else "failed" if failed >= total else "partial"
    assert (outcome.state, outcome.failed_total) == (expected, failed)
