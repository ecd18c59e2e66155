import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedding_studio.simulation.users import UserModel, plan_day, shuffle_clicks
from embedding_studio.simulation.world import JudgedQuery

SESSIONS = 20_000
QUERIES = [JudgedQuery(f"query {number}", {}) for number in range(1_150)]
SPREAD = UserModel(popularity=0.3)


def rate(model: UserModel, position: int, gain: float) -> float:
    chance = random.Random(3)
    shown = [gain] * position
    return sum(position in model.clicks(shown, chance) for _ in range(SESSIONS)) / SESSIONS


@pytest.mark.parametrize("position", [1, 4, 16])
def test_clicks_get_rarer_down_the_list_as_the_model_says(position: int) -> None:
    model = UserModel(examination=0.5, click_relevant=0.8, click_other=0.04)
    assert rate(model, position, 1.0) == pytest.approx(0.8 / position**0.5, abs=0.015)
    assert rate(model, position, 0.5) == pytest.approx(0.42 / position**0.5, abs=0.012)
    assert rate(model, position, 0.0) == pytest.approx(0.04 / position**0.5, abs=0.006)


def test_visits_repeat_with_the_seed() -> None:
    first, again = (plan_day(QUERIES, 50, SPREAD, random.Random(5)) for _ in range(2))
    assert first == again
    assert first != plan_day(QUERIES, 50, SPREAD, random.Random(6))


def test_popular_queries_come_first_but_none_is_forgotten() -> None:
    asked = Counter(visit.query.text for visit in plan_day(QUERIES, 20_000, SPREAD, random.Random(5)))
    first, last = (sum(asked[query.text] for query in part) for part in (QUERIES[:100], QUERIES[-100:]))
    assert first > 2 * last
    assert all(asked[query.text] for query in QUERIES)


def test_many_people_ask() -> None:
    asking = Counter(visit.user_id for visit in plan_day(QUERIES, 6_000, UserModel(people=600), random.Random(5)))
    assert len(asking) > 590
    assert max(asking.values()) < 60


@given(st.lists(st.lists(st.integers(1, 20), unique=True).map(tuple)), st.integers())
def test_shuffling_keeps_the_clicks_of_the_day(clicks: list[tuple[int, ...]], seed: int) -> None:
    assert Counter(shuffle_clicks(clicks, random.Random(seed))) == Counter(clicks)


def test_shuffled_clicks_do_not_depend_on_relevance() -> None:
    chance = random.Random(7)
    model = UserModel()
    good, bad = [1.0] * 10, [0.0] * 10
    shown = [good, bad] * SESSIONS
    clicks = shuffle_clicks([model.clicks(relevant, chance) for relevant in shown], chance)
    on_good = sum(len(clicked) for clicked, relevant in zip(clicks, shown, strict=True) if relevant is good)
    on_bad = sum(len(clicked) for clicked, relevant in zip(clicks, shown, strict=True) if relevant is bad)
    assert on_good / on_bad == pytest.approx(1.0, abs=0.03)


def test_bots_make_their_share_of_the_visits() -> None:
    visits = plan_day(QUERIES, 1_000, UserModel(), random.Random(5), bots=0.1)
    bots = [visit for visit in visits if visit.is_bot]
    assert (len(visits), len(bots)) == (1_000, 100)
    assert {visit.user_id for visit in bots} == {"bot-0", "bot-1", "bot-2"}


def test_tastes_differ_between_people_and_stay() -> None:
    alike, own = UserModel(), UserModel(taste=0.8)
    assert [alike.worth(f"u{n}", "i", 0.5) for n in range(3)] == [0.5] * 3
    worths = [own.worth(f"u{n}", "i", 1.0) for n in range(500)]
    assert worths == [own.worth(f"u{n}", "i", 1.0) for n in range(500)]
    assert 0.2 <= min(worths) < 0.25
    assert 0.95 < max(worths) <= 1.0
    assert sum(worths) / 500 == pytest.approx(0.6, abs=0.03)
