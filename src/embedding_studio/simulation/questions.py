"""What simulated people ask, and what items are worth to them."""

from collections.abc import Mapping
from typing import Protocol

__all__ = ["Gains", "Question"]

Gains = Mapping[str, float]
"""What items are worth, 0..1, by id; others are worth nothing."""


class Question(Protocol):
    """A query whose answers are known."""

    @property
    def text(self) -> str:
        """As people type it; distinct among all questions of a world."""
        ...

    @property
    def gains(self) -> Gains:
        """The truth that is planted."""
        ...
