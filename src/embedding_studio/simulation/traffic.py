"""One simulated day: users search, look, click; all of it through the HTTP API."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from embedding_studio.simulation.client import Answer, Asked, Event, StudioClient
from embedding_studio.simulation.questions import Question
from embedding_studio.simulation.users import UserModel, Visit, plan_day, shuffle_clicks, spread_clicks

__all__ = ["Behaviour", "Null", "Traffic", "live_a_day", "react"]

_AT_ONCE = 100
_DAY = timedelta(days=1)

Null = Literal["shuffled", "uniform"]
"""How clicks say nothing: each session has those of another one, or as many as it had at random positions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """What happens on a day.

    Attributes:
        sessions: Searches of the day.
        users: What people click.
        null: Whether, and how, clicks say nothing of the results.
        bots: Share of the searches that are of bots, which click on all that they are shown.
        duplicates: Share of the sessions whose sender sends all events three times, once under other ids.
    """

    sessions: int = 300
    users: UserModel = field(default_factory=UserModel)
    null: Null | None = None
    bots: float = 0.0
    duplicates: float = 0.0


@dataclass(frozen=True, slots=True)
class Traffic:
    """How much happened: searches, and events that the API counted."""

    sessions: int
    events: int


async def live_a_day(
    client: StudioClient,
    queries: Sequence[Question],
    behaviour: Behaviour,
    chance: random.Random,
    *,
    midnight: datetime | None,
    advance: Callable[[], None],
) -> Traffic:
    """Let a day's visits happen and their clicks be counted, a hundred visits at a time.

    Args:
        client: Of the collection.
        queries: What people ask, the most popular first.
        behaviour: What they do.
        chance: The source of randomness.
        midnight: When the simulated day begins; None: all happens now.
        advance: Called after each answer.
    """
    visits = plan_day(queries, behaviour.sessions, behaviour.users, chance, bots=behaviour.bots)
    counted, pace = 0, _DAY / (len(visits) + 2)
    for start in range(0, len(visits), _AT_ONCE):
        part = visits[start : start + _AT_ONCE]
        times = [midnight and midnight + (start + number + 1) * pace for number in range(len(part))]
        asked = [Asked(visit.query.text, visit.user_id, at) for visit, at in zip(part, times, strict=True)]
        answers = await client.search_all(asked, limit=behaviour.users.shown, advance=advance)
        counted += await client.send_events(react(part, answers, behaviour, chance))
    return Traffic(len(visits), counted)


def react(
    visits: Sequence[Visit[Any]], answers: Sequence[Answer], behaviour: Behaviour, chance: random.Random
) -> list[Event]:
    """What users do with the answers to their visits."""
    pairs = list(zip(visits, answers, strict=True))
    clicks = [_clicks(visit, answer, behaviour.users, chance) for visit, answer in pairs]
    if behaviour.null == "shuffled":
        clicks = shuffle_clicks(clicks, chance)
    elif behaviour.null == "uniform":
        clicks = spread_clicks(clicks, [len(answer.item_ids) for answer in answers], chance)
    return [
        event
        for visit, answer, clicked in zip(visits, answers, clicks, strict=True)
        for event in _sent(_events(visit, answer, clicked), behaviour, chance)
    ]


def _clicks(visit: Visit[Any], answer: Answer, users: UserModel, chance: random.Random) -> tuple[int, ...]:
    if visit.is_bot:
        return tuple(range(1, len(answer.item_ids) + 1))
    gains = visit.query.gains
    worth = [users.worth(visit.user_id, item, gains.get(item, 0.0)) for item in answer.item_ids]
    return users.clicks(worth, chance)


def _events(visit: Visit[Any], answer: Answer, clicked: tuple[int, ...]) -> list[Event]:
    return [
        {
            "event_id": f"{answer.session_id}-{position}",
            "session_id": answer.session_id,
            "item_id": answer.item_ids[position - 1],
            "type": "click",
            "position": position,
            "user_id": visit.user_id,
            **({"timestamp": (answer.at + timedelta(seconds=order)).isoformat()} if answer.at else {}),
        }
        for order, position in enumerate(clicked, 1)
        if position <= len(answer.item_ids)
    ]


def _sent(events: list[Event], behaviour: Behaviour, chance: random.Random) -> list[Event]:
    """The events as they leave their sender: a bad one sends them again, and counts them anew beside that."""
    if not behaviour.duplicates or chance.random() >= behaviour.duplicates:
        return events
    return [*events, *events, *({**event, "event_id": f"{event['event_id']}-again"} for event in events)]
