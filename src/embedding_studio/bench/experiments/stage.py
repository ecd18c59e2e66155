"""How much `bench experiments` simulates."""

from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Sizes"]


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is simulated.

    Attributes:
        experiments: Of each kind; of those with something to find, a third.
        sessions: Of an experiment with nothing to find; of the others, three times as many.
    """

    experiments: int
    sessions: int
    say: Callable[[str], None]
