"""What users did lately, as a part that adjusts scores at once."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["ClickMemory", "Remembered"]

_LAST_VOICES = 20


@dataclass(frozen=True, slots=True)
class Remembered:
    """What is known of an item after queries like the one that is asked: the S⁺ and S⁻ of `ClickMemory`.

    Attributes:
        own_up: Of clicks of the user who asks.
        own_down: Of that user's dismissals.
        up: Of clicks of others, as far as they count.
        down: Of others' dismissals.
        voices: How many users `up` and `down` are the sum of.
    """

    own_up: float
    own_down: float = 0.0
    up: float = 0.0
    down: float = 0.0
    voices: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ClickMemory:
    """Lifts items that were chosen after a query like the one that is asked, and lowers those that were dismissed.

    With K = max(0, (cos - threshold) / (1 - threshold)) for the query of a click, and S the sum of its weight · K ·
    2^(-age / half-life) over an item's clicks, an item gains cap · S⁺ / (S⁺ + typical) - negative_cap · S⁻ / (S⁻ +
    typical). A user's own clicks count for that user at once and in full. Those of others count once `users` named
    users have done the like, each user's with no more than `voice`, and without the strongest `users` - 1 of them: so
    nobody moves an item alone. Each of these voices moves an item by no more than `places`. Users without a name count
    for nobody.

    Attributes:
        threshold: Cosine of queries below which they have nothing to do with each other, -1 to below 1.
        cap: What no gain exceeds, in units of the score.
        negative_cap: What no loss exceeds.
        typical: The S at which half of a cap is reached; a click has a weight of 0.5.
        half_life_days: After so long a click counts half.
        users: How many named users it takes; 0 or 1 protects from nobody.
        voice: What one user adds to an item's S for others, at most.
        places: By how many places one user's voice moves an item for others, at most; None: by as many as it may.
    """

    threshold: float = 0.6
    cap: float = 0.1
    negative_cap: float = 0.05
    typical: float = 1.0
    half_life_days: float = 30.0
    users: int = 2
    voice: float = 1.0
    places: int | None = 3

    def __post_init__(self) -> None:
        """Refuse numbers that would bound nothing."""
        if not -1 <= self.threshold < 1:
            raise ValueError(f"threshold must lie in -1..1, and below 1, not {self.threshold}")
        for name in ("typical", "half_life_days", "voice"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be above 0, not {getattr(self, name)}")
        for name in ("cap", "negative_cap"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be at least 0 and finite, not {getattr(self, name)}")
        if self.users < 0:
            raise ValueError(f"users must be at least 0, not {self.users}")
        if self.places is not None and self.places < 1:
            raise ValueError(f"places must be at least 1, or None, not {self.places}")

    def boost(self, up: float, down: float) -> float:
        """What an item gains, given its S⁺ and S⁻."""
        return self.cap * _share(up, self.typical) - self.negative_cap * _share(down, self.typical)

    def gain(self, remembered: Remembered) -> float:
        """What an item gains by what is remembered."""
        return self.boost(remembered.own_up + remembered.up, remembered.own_down + remembered.down)

    def gains(self, remembered: Remembered) -> Sequence[float]:
        """What an item gains by the asker's own clicks, then with one voice of others more each time.

        The voices are taken as equal, and of many the last twenty are told one by one.
        """
        voices = remembered.voices
        first = max(0, voices - _LAST_VOICES)
        heard = [number / voices for number in range(first, voices + 1)] if voices else [0.0]
        return [
            self.boost(remembered.own_up + share * remembered.up, remembered.own_down + share * remembered.down)
            for share in heard
        ]


def _share(strength: float, typical: float) -> float:
    return strength / (strength + typical) if strength < math.inf else 1.0
