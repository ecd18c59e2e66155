"""Parts that say how behaviour teaches."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

__all__ = ["EventGains", "GainOf"]

GainOf = Callable[[str, float | None], float]
"""From an event's type and value to a gain in [-1, 1]; 0 teaches nothing."""

_DEFAULT: Mapping[str, float] = MappingProxyType(
    {"click": 0.5, "like": 1.0, "cart": 0.8, "purchase": 1.0, "dismiss": -0.5, "report": -1.0},
)


@dataclass(frozen=True, slots=True)
class EventGains:
    """A fixed gain a type of event.

    Attributes:
        gains: Type to gain in [-1, 1]; a type that is not named teaches nothing.
    """

    gains: Mapping[str, float] = field(default_factory=lambda: _DEFAULT)

    def __post_init__(self) -> None:
        """Refuse gains out of range."""
        wrong = {name: gain for name, gain in self.gains.items() if not -1 <= gain <= 1}
        if wrong:
            raise ValueError(f"gains must lie in [-1, 1]: {wrong}")

    def build(self) -> GainOf:
        """A function from type and value to gain."""
        return lambda kind, _value: self.gains.get(kind, 0.0)
