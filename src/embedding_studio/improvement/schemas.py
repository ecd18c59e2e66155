"""Rows of the click memory on the wire."""

from datetime import datetime

import msgspec

from embedding_studio.improvement.domain import Click

__all__ = ["ClickPage", "ClickView"]


class ClickView(msgspec.Struct):
    """What one session says of one item.

    Attributes:
        query: The words that were embedded, or the id of the item whose like was sought; empty for a vector.
        speaks: Whether it counts for others: of a user's clicks on the item after this query, the last does.
    """

    session_id: str
    item_id: str
    user_id: str | None
    query: str
    weight: float
    at: datetime
    speaks: bool

    @classmethod
    def of(cls, query: str, click: Click, *, speaks: bool) -> "ClickView":
        """The row as clients see it."""
        return cls(click.session_id, click.item_id, click.user_id, query, click.weight, click.at, speaks)


class ClickPage(msgspec.Struct):
    """Rows by session and item."""

    items: list[ClickView]
    next_cursor: str | None
