"""Shares on top of what retrieval found; what fails gives none."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from embedding_studio.inference import EmbeddingService, EncoderNotReadyError
from embedding_studio.sdk import (
    CrossEncoderRerank,
    EncoderSource,
    FieldBoost,
    RankerPart,
    RecencyBoost,
    ShareOf,
    TextTemplate,
)
from embedding_studio.search.domain import Candidate
from embedding_studio.search.metrics import PARTS_SKIPPED
from embedding_studio.search.rankers import Rankers
from embedding_studio.vector_store import Hit

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 6, 1, 12, 34, 56, tzinfo=UTC)
RERANK = CrossEncoderRerank(model="tiny", top=3, weight=0.5)


class Scoring:
    """Scores a text by the number it ends in, in hundredths; keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, list[str]]] = []
        self.error: Exception | None = None

    async def score_pairs(self, source: EncoderSource, query: str, texts: Sequence[str]) -> NDArray[np.float32]:
        assert source == RERANK.build()
        self.asked.append((query, list(texts)))
        if self.error:
            raise self.error
        return np.asarray([int(text.split()[-1]) / 100 for text in texts], np.float32)


@dataclass(frozen=True)
class Own:
    """A plugin's own boost."""

    share_of: Callable[[Any, Any], Any]
    name: str = "own"
    cap: float = 0.2

    def build(self) -> ShareOf:
        return self.share_of


@pytest.fixture
def scoring() -> Scoring:
    return Scoring()


def candidate(item_id: str, score: float, **payload: object) -> Candidate:
    return Candidate(Hit(item_id, 0, 0.0, payload), vector=score)


async def ranked(
    rankers: Sequence[RankerPart], candidates: Sequence[Candidate], *, query: str | None = "sofa", scoring: Any = None
) -> list[Candidate]:
    service = Rankers(embeddings=cast("EmbeddingService", scoring or Scoring()), clock=lambda: NOW)
    return await service.rank(rankers, query_text=query, candidates=candidates)


def skipped(name: str) -> float:
    return float(PARTS_SKIPPED.labels(name)._value.get())


async def test_shares_are_added_by_name_and_the_best_comes_first() -> None:
    boosts = [FieldBoost(field="rating", scale=5, cap=0.5), FieldBoost(field="brand", weights={"Acme": -1}, cap=0.1)]
    found = await ranked(boosts, [candidate("a", 0.5, brand="Acme"), candidate("b", 0.3, rating=5)])
    assert [one.hit.item_id for one in found] == ["b", "a"]
    assert found[0].rankers == {"field:rating": 0.5, "field:brand": 0.0}
    assert [one.score for one in found] == pytest.approx([0.8, 0.4])


@given(order=st.permutations([("c", 0.5), ("a", 0.5), ("b", 0.7), ("d", 0.5)]))
async def test_equal_scores_are_put_in_order_by_id_whatever_the_order_before(order: list[tuple[str, float]]) -> None:
    found = await ranked([FieldBoost(field="x")], [candidate(*one) for one in order])
    assert [one.hit.item_id for one in found] == ["b", "a", "c", "d"]


async def test_time_goes_on_by_the_hour() -> None:
    (found,) = await ranked(
        [RecencyBoost(field="at", half_life_days=1, cap=1)], [candidate("a", 0, at="2026-05-31T12:00:00Z")]
    )
    assert found.score == 0.5


@pytest.mark.parametrize(("share", "kept"), [(9, 0.2), (-9, -0.2), (float("nan"), 0), (float("inf"), 0), (0.1, 0.1)])
async def test_a_share_beyond_the_cap_is_cut(share: float, kept: float) -> None:
    (found,) = await ranked([Own(lambda _payload, _now: share)], [candidate("a", 1)])
    assert found.rankers == {"own": kept}


@pytest.mark.parametrize("share_of", [lambda payload, _now: payload["missing"], lambda _payload, _now: "much"])
async def test_a_ranker_that_fails_gives_nothing_and_the_others_go_on(
    share_of: Callable[[Any, Any], Any], caplog: pytest.LogCaptureFixture
) -> None:
    before = skipped("own")
    with caplog.at_level(logging.WARNING):
        found = await ranked([Own(share_of), FieldBoost(field="rating")], [candidate("a", 1, rating=1)])
    assert found[0].rankers == {"own": 0.0, "field:rating": 0.1}
    assert skipped("own") == before + 1
    assert "the ranker own gives no share" in caplog.text


async def test_the_first_by_score_are_read_by_the_cross_encoder(scoring: Scoring) -> None:
    titles = {"a": (0.1, 90), "b": (0.4, 10), "c": (0.3, 60), "d": (0.2, 20)}
    found = await ranked(
        [RERANK], [candidate(name, score, title=f"text {n}") for name, (score, n) in titles.items()], scoring=scoring
    )
    assert scoring.asked == [("sofa", ["text 10", "text 60", "text 20"])]
    assert [one.hit.item_id for one in found] == ["c", "b", "d", "a"]
    assert [one.rankers["cross_encoder"] for one in found] == pytest.approx([0.3, 0.05, 0.1, 0])


async def test_the_plugin_says_which_text_is_scored(scoring: Scoring) -> None:
    rerank = CrossEncoderRerank(model="tiny", text=TextTemplate(("{brand} {number}",)))
    await ranked([rerank], [candidate("a", 1, brand="Acme", number=7), candidate("b", 1)], scoring=scoring)
    assert scoring.asked == [("sofa", ["Acme 7"])]


@pytest.mark.parametrize("query", [None, ""])
async def test_without_words_there_is_nothing_to_score(query: str | None, scoring: Scoring) -> None:
    (found,) = await ranked([RERANK], [candidate("a", 1, title="text 9")], query=query, scoring=scoring)
    assert (found.rankers, scoring.asked) == ({"cross_encoder": 0.0}, [])


async def test_nothing_found_is_nothing_to_rank(scoring: Scoring) -> None:
    assert await ranked([RERANK, FieldBoost(field="a")], [], scoring=scoring) == []
    assert scoring.asked == []


async def test_long_texts_are_cut_before_they_are_scored(scoring: Scoring) -> None:
    await ranked([RERANK], [candidate("a", 1, title="1 " * 9_000)], query="sofa " * 9_000, scoring=scoring)
    ((query, (text,)),) = scoring.asked
    assert (len(query), len(text)) == (2_000, 4_000)


@pytest.mark.parametrize("error", [EncoderNotReadyError("tiny"), TimeoutError(), ValueError("a broken graph")])
async def test_a_search_goes_on_without_a_cross_encoder(
    error: Exception, scoring: Scoring, caplog: pytest.LogCaptureFixture
) -> None:
    scoring.error = error
    before = skipped("cross_encoder")
    with caplog.at_level(logging.WARNING):
        (found,) = await ranked([RERANK], [candidate("a", 0.5, title="text 9")], scoring=scoring)
    assert (found.score, found.rankers) == (0.5, {"cross_encoder": 0.0})
    assert skipped("cross_encoder") == before + 1
    assert type(error).__name__ in caplog.text
