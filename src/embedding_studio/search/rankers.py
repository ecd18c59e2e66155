"""Shares of the rankers of a plugin, none of which can fail a search."""

import logging
import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from embedding_studio.inference import EmbeddingService
from embedding_studio.kernel.errors import InvalidError
from embedding_studio.kernel.time import Clock
from embedding_studio.sdk import BoostPart, CrossEncoderRerank, RankerPart
from embedding_studio.search.building import built
from embedding_studio.search.domain import Candidate
from embedding_studio.search.fusion import by_score
from embedding_studio.search.metrics import PARTS_SKIPPED

__all__ = ["Rankers"]

logger = logging.getLogger(__name__)

_LONGEST_QUERY = 2_000
_LONGEST_TEXT = 4_000
"""Characters that make more tokens than a cross-encoder reads."""


class Rankers:
    """Adds what rankers give to what retrieval found."""

    def __init__(self, *, embeddings: EmbeddingService, clock: Clock) -> None:
        self._embeddings = embeddings
        self._clock = clock

    async def rank(
        self, rankers: Sequence[RankerPart], *, query_text: str | None, candidates: Sequence[Candidate]
    ) -> list[Candidate]:
        """The candidates with the share of every ranker, best first, by id where the scores are equal.

        A share beyond its ranker's bounds is cut. A ranker that raises gives 0, and is logged and counted. Time goes
        on by the hour, so that the pages of a search agree.

        Args:
            rankers: Of names that differ.
            query_text: None where the query is not in words: then cross-encoders give 0.
            candidates: Each item once.
        """
        now = self._clock().replace(minute=0, second=0, microsecond=0)
        shares = {ranker.name: await self._shares(ranker, query_text, candidates, now) for ranker in rankers}
        return by_score(
            replace(candidate, rankers={name: every[number] for name, every in shares.items()})
            for number, candidate in enumerate(candidates)
        )

    async def _shares(
        self, ranker: RankerPart, query_text: str | None, candidates: Sequence[Candidate], now: datetime
    ) -> list[float]:
        try:
            if isinstance(ranker, CrossEncoderRerank):
                return await self._scored(ranker, query_text, candidates)
            return _boosted(ranker, candidates, now)
        except Exception as error:  # noqa: BLE001  # a search goes on without a ranker, whatever is wrong with it
            PARTS_SKIPPED.labels(ranker.name).inc()
            logger.warning("the ranker %s gives no share: %s: %s", ranker.name, type(error).__name__, error)
            return [0.0] * len(candidates)

    async def _scored(
        self, ranker: CrossEncoderRerank, query_text: str | None, candidates: Sequence[Candidate]
    ) -> list[float]:
        shares = [0.0] * len(candidates)
        best = {one.hit.item_id for one in by_score(candidates)[: ranker.top]}
        texts = {
            number: text
            for number, one in enumerate(candidates)
            if one.hit.item_id in best and (text := _text(ranker, one))
        }
        if not query_text or not texts:
            return shares
        query = query_text[:_LONGEST_QUERY]
        scores = await self._embeddings.score_pairs(built(ranker), query, list(texts.values()))
        for number, score in zip(texts, scores.tolist(), strict=True):
            shares[number] = ranker.weight * _bounded(score, 1.0)
        return shares


def _text(ranker: CrossEncoderRerank, candidate: Candidate) -> str:
    try:
        pieces = built(ranker.text)(candidate.hit.payload)
    except InvalidError:
        return ""
    return "\n".join(piece.text for piece in pieces)[:_LONGEST_TEXT]


def _boosted(ranker: BoostPart, candidates: Sequence[Candidate], now: datetime) -> list[float]:
    share_of = built(ranker)
    return [_bounded(share_of(one.hit.payload, now), ranker.cap) for one in candidates]


def _bounded(share: float, cap: float) -> float:
    return min(cap, max(-cap, share)) if math.isfinite(share) else 0.0
