"""Simulated clicks on fixed rankings, as the product's judgments read them."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from embedding_studio.fine_tuning import Click, Page

__all__ = ["ClickedPages", "click_rates", "clicked", "scattered", "shuffled"]

EXAMINATION, RELEVANT, OTHER = 0.7, 0.7, 0.1
_FIRST_DAY = datetime(2026, 1, 1, tzinfo=UTC)

Counts = NDArray[np.int64]
Rates = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class ClickedPages:
    """Each query's page, shown to several strangers, one a day.

    Attributes:
        items: Ids of the items on each query's page, from the top.
        clicks: Whether each of them was clicked, bool (queries, sessions, positions).
    """

    queries: list[str]
    items: list[tuple[str, ...]]
    clicks: NDArray[np.bool_]

    @property
    def counts(self) -> Counts:
        """How often each item was clicked, int64 (queries, positions)."""
        return np.asarray(self.clicks.sum(axis=1), np.int64)

    def pages(self) -> Iterator[Page]:
        """Every page that was shown."""
        positions = tuple(range(1, self.clicks.shape[2] + 1))
        for row, query in enumerate(self.queries):
            for day in range(self.clicks.shape[1]):
                name, at = _session(row, day)
                yield Page(name, name, query, at, self.items[row], positions)

    def all_clicks(self) -> Iterator[Click]:
        """Every click."""
        for row, day, place in np.argwhere(self.clicks).tolist():
            name, at = _session(row, day)
            yield Click(name, name, self.queries[row], self.items[row][place], 1.0, at, place + 1)


def click_rates(relevant: NDArray[np.bool_]) -> Rates:
    """Probabilities of a click by the position-based model (Craswell et al. 2008), float64 (queries, positions)."""
    return np.where(relevant, RELEVANT, OTHER) * np.arange(1, relevant.shape[1] + 1) ** -EXAMINATION


def clicked(rates: Rates, sessions: int, random: np.random.Generator) -> NDArray[np.bool_]:
    """Clicks with these probabilities, bool (queries, sessions, positions)."""
    return np.asarray(random.random((len(rates), sessions, rates.shape[1])) < rates[:, None, :])


def shuffled(clicks: NDArray[np.bool_], random: np.random.Generator) -> NDArray[np.bool_]:
    """The same clicks at the same positions, but each session has those of another one: they say nothing of a query."""
    return np.asarray(random.permutation(clicks.reshape(-1, clicks.shape[2])).reshape(clicks.shape), np.bool_)


def scattered(clicks: NDArray[np.bool_], random: np.random.Generator) -> NDArray[np.bool_]:
    """As many clicks, anywhere."""
    return np.asarray(random.random(clicks.shape) < clicks.mean(), np.bool_)


def _session(row: int, day: int) -> tuple[str, datetime]:
    return f"s{row}-{day}", _FIRST_DAY + timedelta(days=day, seconds=row)
