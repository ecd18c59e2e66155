"""One simulated day: users search, look, click; all of it through the HTTP API."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from embedding_studio.demo.client import Answer, Asked, Event, StudioClient
from embedding_studio.demo.users import UserModel, Visit, shuffle_clicks

__all__ = ["Traffic", "live_a_day", "react"]


@dataclass(frozen=True, slots=True)
class Traffic:
    """How much happened."""

    sessions: int
    events: int


async def live_a_day(
    client: StudioClient,
    visits: Sequence[Visit],
    model: UserModel,
    chance: random.Random,
    *,
    shuffle: bool,
    advance: Callable[[], None],
) -> Traffic:
    """Let all visits happen and their clicks be counted.

    Args:
        client: Of the collection.
        visits: Who asks what.
        model: What users click.
        chance: The source of randomness.
        shuffle: Whether sessions swap their clicks, so that these say nothing of the results.
        advance: Called after each answer.
    """
    asked = [Asked(visit.query.text, visit.user_id) for visit in visits]
    answers = await client.search_all(asked, limit=model.shown, advance=advance)
    events = react(visits, answers, model, chance, shuffle=shuffle)
    return Traffic(len(answers), await client.send_events(events))


def react(
    visits: Sequence[Visit], answers: Sequence[Answer], model: UserModel, chance: random.Random, *, shuffle: bool
) -> list[Event]:
    """What users do with the answers to their visits; the arguments are those of `live_a_day`."""
    clicks = [model.clicks(_relevance(visit, answer), chance) for visit, answer in zip(visits, answers, strict=True)]
    if shuffle:
        clicks = shuffle_clicks(clicks, chance)
    return [event for case in zip(visits, answers, clicks, strict=True) for event in _events(*case)]


def _relevance(visit: Visit, answer: Answer) -> list[bool]:
    return [item in visit.query.relevant for item in answer.item_ids]


def _events(visit: Visit, answer: Answer, clicked: tuple[int, ...]) -> list[Event]:
    return [
        {
            "event_id": f"{answer.session_id}-{position}",
            "session_id": answer.session_id,
            "item_id": answer.item_ids[position - 1],
            "type": "click",
            "position": position,
            "user_id": visit.user_id,
        }
        for position in clicked
        if position <= len(answer.item_ids)
    ]
