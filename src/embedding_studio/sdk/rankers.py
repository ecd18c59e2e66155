"""Parts that add a bounded share to the scores of the first candidates."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from embedding_studio.sdk.encoder import EncoderSource
from embedding_studio.sdk.pieces import TextPart
from embedding_studio.sdk.text import FieldsText

__all__ = [
    "BoostPart",
    "CrossEncoderRerank",
    "FieldBoost",
    "PopularityBoost",
    "RankerPart",
    "RecencyBoost",
    "ShareOf",
]

_SECONDS_PER_DAY = 86_400
_LONGEST_TIME = 40
_MOST_READ = 200

ShareOf = Callable[[Mapping[str, Any], datetime], float]
"""From an item's payload and the time of the search to a share in [-cap, cap]; 0 where there is nothing to say."""


class BoostPart(Protocol):
    """A part that judges an item by its payload alone, whatever the query."""

    @property
    def name(self) -> str:
        """What an explanation calls the share; differs among the rankers of a plugin."""
        ...

    @property
    def cap(self) -> float:
        """The largest share, above 0; what goes beyond is cut."""
        ...

    def build(self) -> ShareOf:
        """The function from payload to share; two builds do the same."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RecencyBoost:
    """cap · 2^(-age / half-life): the newest items get the cap, and so does what lies in the future.

    Attributes:
        field: Dotted path of an ISO 8601 time or date; UTC if it names no zone.
        half_life_days: Age, above 0, at which the share is half the cap.
        cap: Above 0.
    """

    field: str
    half_life_days: float
    cap: float = 0.1

    def __post_init__(self) -> None:
        """Refuse what would bound nothing."""
        _check_positive("half_life_days", self.half_life_days)
        _check_positive("cap", self.cap)

    @property
    def name(self) -> str:
        """What an explanation calls the share."""
        return f"recency:{self.field}"

    def build(self) -> ShareOf:
        """The function from payload to share."""

        def share_of(payload: Mapping[str, Any], now: datetime) -> float:
            moments = [moment for value in _values(payload, self.field) if (moment := _time(value))]
            if not moments:
                return 0.0
            days = max(0.0, (now - max(moments)).total_seconds() / _SECONDS_PER_DAY)
            return self.cap * float(0.5 ** (days / self.half_life_days))

        return share_of


@dataclass(frozen=True, slots=True, kw_only=True)
class PopularityBoost:
    """cap · n / (n + typical): saturation (Craswell, Robertson, Zaragoza and Taylor 2005).

    Attributes:
        field: Dotted path of a number, such as of sales; what is not above 0 gets no share.
        typical: The number, above 0, at which the share is half the cap.
        cap: Above 0.
    """

    field: str
    typical: float
    cap: float = 0.1

    def __post_init__(self) -> None:
        """Refuse what would bound nothing."""
        _check_positive("typical", self.typical)
        _check_positive("cap", self.cap)

    @property
    def name(self) -> str:
        """What an explanation calls the share."""
        return f"popularity:{self.field}"

    def build(self) -> ShareOf:
        """The function from payload to share."""

        def share_of(payload: Mapping[str, Any], _now: datetime) -> float:
            most = max((number for value in _values(payload, self.field) if (number := _number(value))), default=0.0)
            return self.cap / (1 + self.typical / most) if most > 0 else 0.0

        return share_of


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldBoost:
    """cap · weight of the field's value; the weights of a list's members are summed, and cut at -1 and 1.

    Attributes:
        field: Dotted path.
        weights: Value to weight in [-1, 1]. None: the value is a number, and number / scale, cut alike, the weight.
        scale: The number, above 0, that gets the cap.
        cap: Above 0.
    """

    field: str
    weights: Mapping[str | float | bool, float] | None = None
    scale: float = 1.0
    cap: float = 0.1

    def __post_init__(self) -> None:
        """Refuse what would bound nothing."""
        _check_positive("scale", self.scale)
        _check_positive("cap", self.cap)
        wrong = {value: weight for value, weight in (self.weights or {}).items() if not -1 <= weight <= 1}
        if wrong:
            raise ValueError(f"weights must lie in [-1, 1]: {wrong}")

    @property
    def name(self) -> str:
        """What an explanation calls the share."""
        return f"field:{self.field}"

    def build(self) -> ShareOf:
        """The function from payload to share."""
        weight_of = self._weight if self.weights is None else _weigher(self.weights)

        def share_of(payload: Mapping[str, Any], _now: datetime) -> float:
            weight = sum(weight_of(value) for value in _values(payload, self.field))
            return self.cap * min(1.0, max(-1.0, weight))

        return share_of

    def _weight(self, value: object) -> float:
        return min(1.0, max(-1.0, (_number(value) or 0.0) / self.scale))


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossEncoderRerank:
    """weight · what a cross-encoder gives query and text, 0..1, for the first candidates of a query in words.

    Where the model is not exported yet, or does not answer in time, there is no share and the search goes on.

    Attributes:
        model: A hub id or a folder of a transformer for sequence classification with one label, such as
            `cross-encoder/ms-marco-MiniLM-L6-v2`.
        text: Makes the text that is scored of an item's payload.
        top: Candidates that are scored, at most 200; each costs about as much as to embed its text.
        weight: The largest share, above 0.
    """

    model: str
    text: TextPart = field(default_factory=FieldsText)
    top: int = 50
    weight: float = 1.0

    def __post_init__(self) -> None:
        """Refuse a blank model, and numbers that would bound nothing."""
        if not self.model.strip():
            raise ValueError("model must not be blank")
        if not 1 <= self.top <= _MOST_READ:
            raise ValueError(f"top must lie in 1..{_MOST_READ}, not {self.top}")
        _check_positive("weight", self.weight)

    @property
    def name(self) -> str:
        """What an explanation calls the share."""
        return "cross_encoder"

    def build(self) -> EncoderSource:
        """The model."""
        return EncoderSource(self.model, query_prompt="", item_prompt="", kind="pair")


RankerPart = BoostPart | CrossEncoderRerank


def _check_positive(name: str, number: float) -> None:
    if not 0 < number < math.inf:
        raise ValueError(f"{name} must be above 0 and finite, not {number}")


def _values(payload: Mapping[str, Any], path: str) -> Iterator[Any]:
    """What stands at the dotted path; the members, where that is a list."""
    found: Any = payload
    for name in path.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    yield from found if isinstance(found, list) else [found]


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _time(value: object) -> datetime | None:
    if not isinstance(value, str) or len(value) > _LONGEST_TIME:
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _weigher(weights: Mapping[str | float | bool, float]) -> Callable[[object], float]:
    """True is not 1 here, though Python holds them to be equal."""
    known = {(isinstance(value, bool), value): weight for value, weight in weights.items()}

    def weight_of(value: object) -> float:
        return known.get((isinstance(value, bool), value), 0.0) if isinstance(value, str | int | float) else 0.0

    return weight_of
