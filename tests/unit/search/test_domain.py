"""Pages of a search, and how results are scored."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedding_studio.kernel.errors import InvalidError
from embedding_studio.sdk import Metric
from embedding_studio.search.domain import MAX_LIMIT, PageStart, SearchRequest, fingerprint, ranked
from embedding_studio.vector_store import Hit

ids = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=512)
afters = st.none() | st.tuples(st.floats(allow_nan=False, allow_infinity=False), ids)


@st.composite
def starts(draw: st.DrawFn) -> PageStart:
    shown = draw(st.integers(0, 2**31 - 1))
    approximate = draw(st.integers(0, min(shown, MAX_LIMIT)))
    return PageStart(draw(ids), draw(st.integers(1, 2**31)), shown, approximate, draw(afters))


@given(starts())
def test_a_cursor_brings_the_start_back(start: PageStart) -> None:
    assert PageStart.decode(start.encode(), start.fingerprint) == start


@given(starts(), ids)
def test_a_cursor_opens_its_own_search_only(start: PageStart, other: str) -> None:
    if other != start.fingerprint:
        with pytest.raises(InvalidError, match="another search"):
            PageStart.decode(start.encode(), other)


@pytest.mark.parametrize(
    "wrong",
    [
        {"model_version": 0},
        {"shown": -1},
        {"shown": 2**31},
        {"approximate": -1},
        {"shown": 5, "approximate": 6},
        {"shown": 5000, "approximate": 1001},
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
    ]
    assert len(set(others)) == len(others)
    same = replace(request, limit=50, cursor="x", user_id="u", track=False, meta={"a": 1})
    assert fingerprint(1, same, "vector") == others[0]


@given(st.lists(st.floats(-1e6, 1e6), min_size=1), st.sampled_from(["cosine", "dot", "euclidean"]), st.integers(0, 99))
def test_nearer_is_never_scored_lower(distances: list[float], metric: Metric, shown: int) -> None:
    hits = [Hit(f"i{n}", 0, distance, {}) for n, distance in enumerate(sorted(distances))]
    for mode in ("vector", "lexical"):
        results = ranked(hits, shown_before=shown, mode=mode, metric=metric)
        assert [one.position for one in results] == list(range(shown + 1, shown + len(hits) + 1))
        scores = [one.score for one in results]
        assert scores == sorted(scores, reverse=True)
