"""Making one ranking of two: what the vectors and the words found."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from embedding_studio.sdk import Fusion, Metric, WeightedMinMax
from embedding_studio.search.domain import Candidate
from embedding_studio.vector_store import Hit, score_of

__all__ = ["Scale", "by_score", "fuse", "lexical_scale", "scale_behind", "vector_scale"]


@dataclass(frozen=True, slots=True)
class Scale:
    """What a score of one half counts in the whole: 0 for the lowest of its candidates, `weight` for the highest.

    A score below the lowest counts less than 0: so what comes after the candidates stays behind them.
    """

    lowest: float
    highest: float
    weight: float

    def share(self, score: float) -> float:
        """Of a score; where all candidates are alike, each counts as the highest, and what is below them nothing."""
        span = self.highest - self.lowest
        if span > 0:
            return self.weight * ((score - self.lowest) / span)
        return self.weight if score >= self.highest else 0.0


def vector_scale(fusion: WeightedMinMax, near: Sequence[Hit], metric: Metric) -> Scale:
    """Of the similarities of the nearest, which are sorted."""
    scores = [score_of(hit.distance, metric) for hit in near] or [0.0]
    return Scale(scores[-1], scores[0], fusion.vector)


def scale_behind(fusion: Fusion, near: Sequence[Hit], metric: Metric) -> Scale:
    """What similarities count behind the nearest: below all of them by weights, and nothing by ranks."""
    return vector_scale(fusion, near, metric) if isinstance(fusion, WeightedMinMax) else Scale(0.0, 1.0, 0.0)


def lexical_scale(fusion: WeightedMinMax, matching: Sequence[Hit], depth: int) -> Scale:
    """Of the scores of the best matches, which are sorted; if these are all there are, the others have 0."""
    scores = [-hit.distance for hit in matching] or [0.0]
    return Scale(scores[-1] if len(scores) >= depth else 0.0, scores[0], 1 - fusion.vector)


def fuse(
    fusion: Fusion, near: Sequence[Hit], matching: Sequence[Hit], *, metric: Metric, depth: int
) -> list[Candidate]:
    """The items that either half found, best first; what a half did not find has no share of it.

    Args:
        fusion: How.
        near: The nearest items, at most `depth`, sorted.
        matching: The best matches of the words, at most `depth`, sorted; a distance is a score with its sign turned.
        metric: Of the distances of `near`.
        depth: How many each half was asked for.
    """
    if isinstance(fusion, WeightedMinMax):
        vector, lexical = vector_scale(fusion, near, metric), lexical_scale(fusion, matching, depth)
        vector_shares = [vector.share(score_of(hit.distance, metric)) for hit in near]
        lexical_shares = [lexical.share(-hit.distance) for hit in matching]
    else:
        vector_shares, lexical_shares = (
            [1 / (fusion.k + rank) for rank in range(1, len(half) + 1)] for half in (near, matching)
        )
    found = {hit.item_id: Candidate(hit, lexical=share) for hit, share in zip(matching, lexical_shares, strict=True)}
    for hit, share in zip(near, vector_shares, strict=True):
        known = found.get(hit.item_id)
        found[hit.item_id] = Candidate(hit, share, known.lexical if known else 0.0)
    return by_score(found.values())


def by_score(candidates: Iterable[Candidate]) -> list[Candidate]:
    """Best first, and by id where the scores are equal."""
    return sorted(candidates, key=lambda one: (-one.score, one.hit.item_id))
