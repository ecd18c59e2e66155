"""What a shadow's comparisons come to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Side", "Summary", "summarize"]


@dataclass(frozen=True, slots=True)
class Side:
    """How one side answers.

    Attributes:
        empty: Share of the searches that it finds nothing for.
    """

    p50_ms: float
    p95_ms: float
    empty: float


@dataclass(frozen=True, slots=True)
class Summary:
    """Means over comparisons.

    Attributes:
        searches: How many comparisons.
        overlap: Share of the first ten that both have.
        rbo: Rank-biased overlap of the first ten.
        same_first: Share of the searches with the same item on top.
    """

    searches: int
    overlap: float
    rbo: float
    same_first: float
    live: Side
    candidate: Side


def summarize(rows: Sequence[Mapping[str, Any]]) -> Summary | None:
    """Of the numbers of comparisons; None of none."""
    if not rows:
        return None
    means = {name: float(np.mean([row[name] for row in rows])) for name in ("overlap", "rbo", "same_first")}
    return Summary(len(rows), **means, live=_side(rows, "live"), candidate=_side(rows, "candidate"))


def _side(rows: Sequence[Mapping[str, Any]], side: str) -> Side:
    p50, p95 = np.percentile([row[f"{side}_ms"] for row in rows], [50, 95])
    return Side(float(p50), float(p95), float(np.mean([not row[f"has_{side}"] for row in rows])))
