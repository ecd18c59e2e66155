"""What sessions say of items: the rows of the click memory."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from embedding_studio.sdk import GainOf

__all__ = ["Click", "Direction", "NewClicks", "clicks_of", "speaker_of", "weight_of"]

_LEAST, _MOST = -1.0, 3.0


@dataclass(frozen=True, slots=True)
class Click:
    """What one session says of one item.

    Attributes:
        user_id: Whose it is; None: nobody's who has a name.
        weight: In [-1, 3], never 0; below 0 only after an explicit dismissal.
        at: When the last of its events was.
    """

    session_id: str
    item_id: str
    user_id: str | None
    weight: float
    at: datetime


@dataclass(frozen=True, slots=True)
class Direction:
    """What was asked, as the memory knows it.

    Attributes:
        key: Equal for queries that are the same.
        query: For people.
        space: The encoder that made the vector; only vectors of one space are compared.
        vector: Its direction alone counts.
    """

    key: str
    query: str
    space: str
    vector: Any


@dataclass(frozen=True, slots=True)
class NewClicks:
    """All that one session says, which is nothing where there are no clicks."""

    session_id: str
    direction: Direction | None
    clicks: Sequence[Click]


def weight_of(gains: Iterable[tuple[str, float]]) -> float:
    """The weight of events of one session on one item, given the type and gain of each.

    Of each type the strongest counts, once; the types add up. So neither order nor repetition matters.
    """
    strongest: dict[str, float] = {}
    for kind, gain in gains:
        known = strongest.get(kind, 0.0)
        strongest[kind] = max(known, gain, key=lambda one: (abs(one), one))
    return min(_MOST, max(_LEAST, sum(strongest[kind] for kind in sorted(strongest))))


def speaker_of(session: Mapping[str, Any], events: Sequence[Mapping[str, Any]]) -> str | None:
    """Whose session it is: who asked, or else the first by name of those who did something."""
    named = sorted(event["user_id"] for event in events if event.get("user_id"))
    return session.get("user_id") or (named[0] if named else None)


def clicks_of(session: Mapping[str, Any], events: Sequence[Mapping[str, Any]], gain_of: GainOf) -> list[Click]:
    """What a session says, given its document and those of its events.

    What another user than the session's own did in it says nothing. A time that the sender claims lies no later than
    the arrival.
    """
    if session.get("irrelevant_at") is not None:
        return []
    speaker = speaker_of(session, events)
    taught: dict[str, list[tuple[str, float, datetime]]] = {}
    for event in events:
        gain = gain_of(event["type"], event["value"])
        if gain and event.get("user_id") in (None, speaker):
            at = min(event["timestamp"], event["received_at"])
            taught.setdefault(event["item_id"], []).append((event["type"], gain, at))
    weights = {item: weight_of((kind, gain) for kind, gain, _ in all_of_it) for item, all_of_it in taught.items()}
    return [
        Click(session["_id"], item, speaker, weights[item], max(at for _, _, at in taught[item]))
        for item in sorted(taught)
        if weights[item]
    ]
