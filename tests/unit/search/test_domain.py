"""Pages of a search, and what tells searches apart."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedding_studio.kernel.cursors import encode_cursor
from embedding_studio.kernel.errors import InvalidError
from embedding_studio.search.domain import MAX_LIMIT, Candidate, PageStart, SearchRequest, fingerprint
from embedding_studio.vector_store import Hit, SortKey

storable = st.characters(codec="utf-8", exclude_characters="\0")
ids = st.text(storable, min_size=1, max_size=512)
scalars = st.one_of(st.none(), st.booleans(), st.integers(-(2**53), 2**53), st.text(storable, max_size=20))
values = st.lists(scalars, max_size=3)
moments = st.integers(0, 2**51).map(lambda one: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=one))
places = st.tuples(values.map(tuple), st.floats(allow_nan=False, allow_infinity=False), ids)


@st.composite
def starts(draw: st.DrawFn) -> PageStart:
    window, shown = draw(st.integers(0, MAX_LIMIT)), draw(st.integers(0, 2**31 - 1))
    return PageStart(draw(ids), draw(st.integers(1, 2**31)), window, shown, draw(st.none() | places))


def sorted_by(start: PageStart) -> int:
    return len(start.after[0]) if start.after else 0


@given(starts())
def test_a_cursor_brings_the_start_back(start: PageStart) -> None:
    assert PageStart.decode(start.encode(), start.fingerprint, sorted_by=sorted_by(start)) == start


@given(starts(), st.integers(1, 2**62), moments, st.none() | ids)
def test_a_cursor_brings_back_what_the_memory_said_to_its_user(
    start: PageStart, revision: int, at: datetime, user: str | None
) -> None:
    remembering = start.remembering(revision, at, user)
    assert remembering.asked_at == at
    cursor, keys = remembering.encode(), sorted_by(start)
    assert PageStart.decode(cursor, start.fingerprint, sorted_by=keys, user_id=user) == remembering
    with pytest.raises(InvalidError, match="user"):
        PageStart.decode(cursor, start.fingerprint, sorted_by=keys, user_id=f"{user}x")


@given(starts(), ids)
def test_a_cursor_opens_its_own_search_only(start: PageStart, other: str) -> None:
    if other != start.fingerprint:
        with pytest.raises(InvalidError, match="another search"):
            PageStart.decode(start.encode(), other, sorted_by=sorted_by(start))


@given(starts())
def test_a_cursor_has_a_value_for_each_sort_key(start: PageStart) -> None:
    if start.after:
        with pytest.raises(InvalidError, match="another search"):
            PageStart.decode(start.encode(), start.fingerprint, sorted_by=sorted_by(start) + 1)


@pytest.mark.parametrize(
    "wrong",
    [
        {"model_version": 0},
        {"shown": -1},
        {"shown": 2**31},
        {"window": -1},
        {"window": 1001},
        {"revision": -1},
        {"revision": 1, "moment": -1},
        {"revision": 1, "moment": 2**60},
        {"revision": 1, "asker": "somebody"},
    ],
)
def test_a_start_that_no_search_gives_is_refused(wrong: dict[str, Any]) -> None:
    start = replace(PageStart("f", 1), **wrong)
    with pytest.raises(InvalidError):
        PageStart.decode(start.encode(), "f")


def test_searches_that_differ_have_other_fingerprints() -> None:
    request = SearchRequest(text="sofa", filter_tree={"field": "a", "eq": 1})
    others = [
        fingerprint(1, request, "vector"),
        fingerprint(2, request, "vector"),
        fingerprint(1, request, "lexical"),
        fingerprint(1, replace(request, text="sofas"), "vector"),
        fingerprint(1, replace(request, text=None, vector=[1.0]), "vector"),
        fingerprint(1, replace(request, filter_tree={"field": "a", "eq": "1"}), "vector"),
        fingerprint(1, replace(request, filter_tree=None), "vector"),
        fingerprint(1, replace(request, sort=(SortKey(("a",)),)), "vector"),
        fingerprint(1, replace(request, sort=(SortKey(("a",), descending=True),)), "vector"),
        fingerprint(1, replace(request, max_distance=0.5), "vector"),
        fingerprint(1, replace(request, text=None, item_id="sofa"), "vector"),
        fingerprint(1, replace(request, text=None, image=b"sofa"), "vector"),
    ]
    assert len(set(others)) == len(others)
    same = replace(request, limit=50, cursor="x", user_id="u", track=False, meta={"a": 1})
    assert fingerprint(1, same, "vector") == others[0]


def test_the_parts_of_a_score_sum_to_it() -> None:
    candidate = Candidate(Hit("a", 0, 0.5, {}), vector=0.25, lexical=0.5, rankers={"recency": 0.125, "field": -0.0625})
    assert candidate.score == 0.8125


@pytest.mark.parametrize(
    "keys", ['["a\\u0000"]', "[" * 1500, "[9" + "0" * 400 + "]", "[1e999]", "{}", "[" * 70 + "]" * 70]
)
def test_sort_values_that_no_database_takes_are_refused(keys: str) -> None:
    forged = encode_cursor("f", 1, 0, 1, keys, 0.5, "item")
    with pytest.raises(InvalidError, match="is not a cursor of this list"):
        PageStart.decode(forged, "f", sorted_by=1)
