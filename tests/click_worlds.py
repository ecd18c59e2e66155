"""Simulated searches whose truth is known."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from random import Random

from embedding_studio.fine_tuning.clicks import Click, Page

__all__ = ["World", "clicked_world"]

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
World = tuple[list[Click], list[Page]]


def clicked_world(
    rate: Callable[[int, int], float], *, queries: int, shown: int = 10, sessions: int = 8, seed: int = 0
) -> World:
    """Sessions of strangers who click the item at a position with the probability that `rate` gives.

    Args:
        rate: Of a query's number and a position, from 1.
        queries: How many there are; each always shows the same items in the same order.
        shown: Items a session.
        sessions: Sessions a query, one a day.
        seed: Of the clicks.
    """
    chance = Random(seed)
    clicks: list[Click] = []
    pages: list[Page] = []
    positions = tuple(range(1, shown + 1))
    for query in range(queries):
        for day in range(sessions):
            session = user = f"{query}-{day}"
            at = NOON + timedelta(days=day, seconds=query)
            items = tuple(f"{query}-{position}" for position in positions)
            pages.append(Page(session, user, f"query {query}", at, items, positions))
            clicks += [
                Click(session, user, f"query {query}", items[position - 1], 1.0, at, position)
                for position in positions
                if chance.random() < rate(query, position)
            ]
    return clicks, pages
