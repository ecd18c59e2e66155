"""Queries on their way through processors, good and bad ones."""

import asyncio
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedding_studio.sdk import (
    Expand,
    FieldPrefix,
    NumberPhrases,
    ProcessQuery,
    QueryDraft,
    Rewrite,
    Spelling,
    SplitFilters,
)
from embedding_studio.search.metrics import PARTS_SKIPPED
from embedding_studio.search.processing import Processed, Step, process, process_in_time
from embedding_studio.vector_store import parse_filter

PARTS = (
    Rewrite({"sofa bed": "sleeper sofa"}),
    Spelling({"leather": 5, "sleeper": 1, "sofa": 3}),
    SplitFilters([NumberPhrases("price"), FieldPrefix("brand", values=("Acme",))]),
    Expand({"sofa": ("couch",)}),
)


@dataclass(frozen=True)
class Own:
    """A plugin's own processor."""

    do: Callable[[QueryDraft], Any]

    def build(self) -> ProcessQuery:
        return self.do


def skipped() -> float:
    return float(PARTS_SKIPPED.labels("Own")._value.get())


def test_each_processor_sees_what_the_one_before_left_and_says_what_it_changed() -> None:
    below: dict[str, Any] = {"field": "price", "lt": 500}
    acme: dict[str, Any] = {"field": "brand", "eq": "Acme"}
    done = process(PARTS, "lether sofa bed under 500 brand:acme")
    assert done.draft == QueryDraft("leather sleeper sofa", ("couch",), (below, acme))
    assert done.filters == (parse_filter(below), parse_filter(acme))
    assert done.steps == (
        Step("Rewrite", "lether sleeper sofa under 500 brand:acme", (), ()),
        Step("Spelling", "leather sleeper sofa under 500 brand:acme", (), ()),
        Step("SplitFilters", "leather sleeper sofa", (), (below, acme)),
        Step("Expand", "leather sleeper sofa", ("couch",), ()),
    )


def test_without_processors_or_anything_to_do_nothing_changes() -> None:
    assert process((), "a  b") == process(PARTS, "a  b") == Processed(QueryDraft("a  b"), (), ())


def test_all_of_a_query_may_become_filters() -> None:
    done = process(PARTS, "under 500")
    assert (done.draft.text, len(done.filters)) == ("", 1)


@pytest.mark.parametrize(
    "do",
    [
        lambda _: None,
        lambda _: "a text",
        lambda draft: replace(draft, text=None),
        lambda draft: replace(draft, text=""),
        lambda draft: replace(draft, text="a" * 10_001),
        lambda draft: replace(draft, text="NUL \0"),
        lambda draft: replace(draft, text="\ud800"),
        lambda draft: replace(draft, expansions=(5,)),
        lambda draft: replace(draft, expansions=("a",) * 101),
        lambda draft: replace(draft, expansions=("a" * 1_001,)),
        lambda draft: replace(draft, filters=({"field": "price", "under": 5},)),
        lambda draft: replace(draft, filters=({"field": "price", "lt": "five"},)),
        lambda draft: replace(draft, filters=({"field": "price", "eq": 2**70},)),
        lambda draft: replace(draft, filters=(5,)),
        lambda draft: replace(draft, filters=None),
        lambda draft: {}[draft.text],
    ],
)
def test_a_bad_processor_is_skipped_counted_and_logged(
    do: Callable[[QueryDraft], Any], caplog: pytest.LogCaptureFixture
) -> None:
    before = skipped()
    with caplog.at_level(logging.ERROR):
        done = process((PARTS[0], Own(do), PARTS[3]), "sofa bed")
    assert done == process((PARTS[0], PARTS[3]), "sofa bed")
    assert skipped() == before + 1
    assert "the query processor Own is skipped" in caplog.text


def test_one_that_cannot_be_built_is_skipped_too() -> None:
    class Unbuildable(Own):
        def build(self) -> ProcessQuery:
            raise OSError("no such dictionary")

    assert process((Unbuildable(lambda draft: draft),), "a") == Processed(QueryDraft("a"), (), ())


@pytest.mark.anyio
async def test_processors_that_hang_hold_up_neither_searches_nor_anything_else(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("embedding_studio.search.processing._PATIENCE", 0.05)
    go_on = threading.Event()

    def hang(draft: QueryDraft) -> QueryDraft:
        go_on.wait()
        return draft

    try:
        every = [process_in_time((PARTS[0], Own(hang)), "sofa bed") for _ in range(40)]
        assert await asyncio.gather(*every) == [Processed(QueryDraft("sofa bed"), (), ())] * 40
        assert "skipped" in caplog.text
        assert await asyncio.to_thread(lambda: "done") == "done"
    finally:
        go_on.set()
    monkeypatch.setattr("embedding_studio.search.processing._PATIENCE", 60.0)
    assert await process_in_time(PARTS, "sofa bed") == process(PARTS, "sofa bed")


@given(st.text(max_size=80) | st.text(st.sampled_from('under 5 brand:acme "sofa bed\0\ud800'), max_size=80))
def test_any_text_gets_through(text: str) -> None:
    done = process(PARTS, text)
    assert len(done.filters) == len(done.draft.filters)
    assert not text.strip() or done.draft.text.strip() or done.filters
