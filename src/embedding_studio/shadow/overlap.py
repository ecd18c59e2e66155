"""How alike two rankings are at the top."""

from collections.abc import Iterator, Sequence

__all__ = ["DEPTH", "overlap", "rank_biased_overlap"]

DEPTH = 10
_PERSISTENCE = 0.9


def overlap(one: Sequence[str], other: Sequence[str]) -> float:
    """The share of the first ten that both have, 0..1, of the longer list; of nothing and nothing, 1."""
    top, other_top = one[:DEPTH], other[:DEPTH]
    longest = max(len(top), len(other_top))
    return len({*top} & {*other_top}) / longest if longest else 1.0


def rank_biased_overlap(one: Sequence[str], other: Sequence[str]) -> float:
    """Rank-biased overlap, extrapolated, 0..1: agreement at each depth, of which the first ones weigh most.

    Equation 32 of Webber, Moffat & Zobel 2010, "A Similarity Measure for Indefinite Rankings", with p = .9: ten places
    have 86 % of the weight. Of nothing and nothing, 1.

    Args:
        one: Ids, each once.
        other: Ids, each once; may be of another length.
    """
    short, long = sorted((one, other), key=len)
    if not short:
        return 0.0 if long else 1.0
    p, s, depth = _PERSISTENCE, len(short), len(long)
    common = list(_common(short, long))
    agreed = sum(common[d - 1] / d * p**d for d in range(1, depth + 1))
    unseen = sum(common[s - 1] * (d - s) / (s * d) * p**d for d in range(s + 1, depth + 1))
    beyond = ((common[-1] - common[s - 1]) / depth + common[s - 1] / s) * p**depth
    return (1 - p) / p * (agreed + unseen) + beyond


def _common(short: Sequence[str], long: Sequence[str]) -> Iterator[int]:
    """How many items both have above each depth of the longer list."""
    for depth in range(1, len(long) + 1):
        yield len({*short[:depth]} & {*long[:depth]})
