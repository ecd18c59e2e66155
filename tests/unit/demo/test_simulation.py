import random
from collections import Counter
from collections.abc import Sequence

from embedding_studio.demo.client import Answer, Event
from embedding_studio.demo.queries import Query
from embedding_studio.demo.simulation import react
from embedding_studio.demo.users import UserModel, Visit

FILMS = tuple(f"film-{number}" for number in range(20))
SURE = UserModel(examination=0.0, click_relevant=1.0, click_other=0.0)


def visit(number: int, *relevant: str) -> Visit:
    query = Query(f"query {number}", ("topic",), frozenset(relevant), clicked=True, held_out=False)
    return Visit(query, f"user-{number}")


def reactions(visits: Sequence[Visit], model: UserModel, *, shuffle: bool = False) -> list[Event]:
    answers = [Answer(f"session-{number}", FILMS, 1) for number in range(len(visits))]
    return react(visits, answers, model, random.Random(11), shuffle=shuffle)


def test_a_click_names_its_session_user_item_and_position() -> None:
    assert reactions([visit(0), visit(1, "film-3")], SURE) == [
        {
            "event_id": "session-1-4",
            "session_id": "session-1",
            "item_id": "film-3",
            "type": "click",
            "position": 4,
            "user_id": "user-1",
        }
    ]


def test_no_event_is_sent_twice() -> None:
    events = reactions([visit(number, *FILMS[:10]) for number in range(50)], UserModel())
    assert len({event["event_id"] for event in events}) == len(events) > 50


def test_shuffled_clicks_are_as_many_at_the_same_positions_in_other_sessions() -> None:
    visits = [visit(number, *FILMS[: number % 5]) for number in range(200)]
    told, shuffled = (reactions(visits, SURE, shuffle=shuffle) for shuffle in (False, True))
    assert Counter(event["position"] for event in told) == Counter(event["position"] for event in shuffled)
    assert {event["event_id"] for event in told} != {event["event_id"] for event in shuffled}
    assert not all(event["item_id"] in visits[int(str(event["user_id"])[5:])].query.relevant for event in shuffled)
