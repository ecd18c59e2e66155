"""Each page begins where the one before ended."""

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from embedding_studio.clickstream.timeline import Place, Span, page_filter

START = datetime(2026, 1, 1, tzinfo=UTC)
MOMENTS = st.integers(0, 5).map(lambda hours: START + timedelta(hours=hours))
SPANS = st.builds(Span, st.none() | MOMENTS, st.none() | MOMENTS)
PLACES = st.tuples(MOMENTS, st.sampled_from("abc"))
HOLDS = {
    "$gte": lambda value, bound: value >= bound,
    "$gt": lambda value, bound: value > bound,
    "$lt": lambda value, bound: value < bound,
}


def matches(document: dict[str, Any], criteria: dict[str, Any]) -> bool:
    """What MongoDB makes of a filter, as far as ours go."""
    if "$or" in criteria:
        return any(matches(document, branch) for branch in criteria["$or"])
    return all(
        all(HOLDS[name](document[field], bound) for name, bound in wanted.items())
        if isinstance(wanted, dict)
        else document[field] == wanted
        for field, wanted in criteria.items()
    )


@given(span=SPANS, past=st.none() | PLACES, newest_first=st.booleans(), place=PLACES, shop=st.sampled_from("xyz"))
def test_a_page_holds_what_lies_in_the_span_behind_the_place(
    span: Span, past: Place | None, newest_first: bool, place: Place, shop: str
) -> None:
    at, session_id = place
    document = {"collection": shop, "created_at": at, "_id": session_id}
    found = matches(document, page_filter({"collection": ["x", "y"]}, span, past=past, newest_first=newest_first))
    is_behind = past is None or (place < past if newest_first else place > past)
    assert found == (shop in "xy" and span.has(at) and is_behind)


def test_the_end_of_a_span_is_outside() -> None:
    span = Span(START, START + timedelta(hours=1))
    assert span.has(START)
    assert not span.has(START + timedelta(hours=1))
    assert Span().has(START)
    assert Span().criteria() == {}
