"""BM25 over packed postings is BM25 as the textbook has it."""

import math
import struct
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedding_studio.vector_store.bm25 import K1, B, Matches, Postings, score, without

words = st.sampled_from(["oak", "table", "chair", "red", "sofa"])
documents = st.dictionaries(st.integers(1, 2**40), st.lists(words, min_size=1, max_size=30), min_size=1, max_size=12)


def packed(documents: dict[int, list[str]], term: str) -> Postings:
    rows = [(key, Counter(text)[term], len(text)) for key, text in documents.items() if term in text]
    return Postings(len(rows), b"".join(struct.pack(">qhi", *row) for row in rows))


def textbook(documents: dict[int, list[str]], query: set[str]) -> dict[int, float]:
    mean = sum(map(len, documents.values())) / len(documents)
    scores: dict[int, float] = {}
    for key, text in documents.items():
        for term in query & set(text):
            with_term = sum(term in other for other in documents.values())
            idf = math.log(1 + (len(documents) - with_term + 0.5) / (with_term + 0.5))
            frequency = text.count(term)
            share = frequency * (K1 + 1) / (frequency + K1 * (1 - B + B * len(text) / mean))
            scores[key] = scores.get(key, 0) + idf * share
    return scores


def as_dict(matches: Matches) -> dict[int, float]:
    return dict(zip(matches.keys.tolist(), matches.scores.tolist(), strict=True))


@given(documents, st.sets(words, max_size=4))
def test_scores_are_those_of_the_textbook(documents: dict[int, list[str]], query: set[str]) -> None:
    length = sum(map(len, documents.values()))
    matches = score([packed(documents, term) for term in query], parts=len(documents), length=length)
    assert as_dict(matches) == pytest.approx(textbook(documents, query))


@given(documents, st.data())
def test_postings_of_parts_that_are_gone_are_dropped_and_the_rest_is_sorted(
    documents: dict[int, list[str]], data: st.DataObject
) -> None:
    live = sorted(data.draw(st.sets(st.sampled_from(sorted(documents)))))
    kept = without(packed(documents, "oak").data, np.asarray(live, np.int64))
    keys = [struct.unpack(">qhi", kept[start : start + 14])[0] for start in range(0, len(kept), 14)]
    assert keys == sorted(key for key in live if "oak" in documents[key])


@given(st.lists(st.integers(0, 5), max_size=30), st.integers(1, 10))
def test_the_best_are_the_best_with_all_that_tie(scores: list[int], count: int) -> None:
    matches = Matches(np.arange(len(scores)), np.asarray(scores, np.float64))
    best = matches.best(count)
    least = sorted(scores, reverse=True)[:count][-1] if scores else 0
    assert sorted(best.keys.tolist()) == [key for key, one in enumerate(scores) if one >= least]


def test_a_term_of_no_part_and_an_empty_collection_match_nothing() -> None:
    assert len(score([], parts=5, length=9)) == 0
    assert len(score([Postings(0, b"")], parts=5, length=9)) == 0
    assert len(score([Postings(1, struct.pack(">qhi", 1, 1, 1))], parts=0, length=0)) == 0
