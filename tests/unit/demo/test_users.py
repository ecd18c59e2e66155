import random
from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedding_studio.demo.queries import Query
from embedding_studio.demo.users import UserModel, plan_day, shuffle_clicks

SESSIONS = 20_000


def rate(model: UserModel, position: int, *, relevant: bool) -> float:
    chance = random.Random(3)
    shown = [relevant] * position
    return sum(position in model.clicks(shown, chance) for _ in range(SESSIONS)) / SESSIONS


@pytest.mark.parametrize("position", [1, 4, 16])
def test_clicks_get_rarer_down_the_list_as_the_model_says(position: int) -> None:
    model = UserModel(examination=0.5, click_relevant=0.8, click_other=0.04)
    assert rate(model, position, relevant=True) == pytest.approx(0.8 / position**0.5, abs=0.015)
    assert rate(model, position, relevant=False) == pytest.approx(0.04 / position**0.5, abs=0.006)


def test_visits_repeat_with_the_seed(queries: Sequence[Query]) -> None:
    first, again = (plan_day(queries, 50, UserModel(), random.Random(5)) for _ in range(2))
    assert first == again
    assert first != plan_day(queries, 50, UserModel(), random.Random(6))


def test_popular_queries_come_first_but_none_is_forgotten(queries: Sequence[Query]) -> None:
    asked = Counter(visit.query.text for visit in plan_day(queries, 20_000, UserModel(), random.Random(5)))
    first, last = (sum(asked[query.text] for query in part) for part in (queries[:100], queries[-100:]))
    assert first > 2 * last
    assert all(asked[query.text] for query in queries)


def test_many_people_ask(queries: Sequence[Query]) -> None:
    asking = Counter(visit.user_id for visit in plan_day(queries, 6_000, UserModel(people=600), random.Random(5)))
    assert len(asking) > 590
    assert max(asking.values()) < 60


@given(st.lists(st.lists(st.integers(1, 20), unique=True).map(tuple)), st.integers())
def test_shuffling_keeps_the_clicks_of_the_day(clicks: list[tuple[int, ...]], seed: int) -> None:
    assert Counter(shuffle_clicks(clicks, random.Random(seed))) == Counter(clicks)


def test_shuffled_clicks_do_not_depend_on_relevance() -> None:
    chance = random.Random(7)
    model = UserModel()
    good, bad = [True] * 10, [False] * 10
    shown = [good, bad] * SESSIONS
    clicks = shuffle_clicks([model.clicks(relevant, chance) for relevant in shown], chance)
    on_good = sum(len(clicked) for clicked, relevant in zip(clicks, shown, strict=True) if relevant is good)
    on_bad = sum(len(clicked) for clicked, relevant in zip(clicks, shown, strict=True) if relevant is bad)
    assert on_good / on_bad == pytest.approx(1.0, abs=0.03)
