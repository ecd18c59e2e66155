"""Which events count."""

from embedding_studio.clickstream.domain import NewEvent, rejection_reason

EVENT = NewEvent("e", "session", "sofa", "click", None, None, None, None, None)


def test_an_event_counts_for_what_its_session_showed() -> None:
    assert rejection_reason(EVENT, {"lamp", "sofa"}) is None


def test_everything_else_is_told_why_not() -> None:
    assert rejection_reason(EVENT, {"lamp"}) == "the item 'sofa' was not shown in the session"
    assert rejection_reason(EVENT, set()) == "the item 'sofa' was not shown in the session"
    assert rejection_reason(EVENT, None) == "no session 'session'"
