"""One user's chance for one pair on one day is one trial."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from random import Random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from embedding_studio.fine_tuning.clicks import Click, Page
from embedding_studio.fine_tuning.trials import Table, tabulate

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def click(user: str, item: str = "i", *, position: int = 1, hours: float = 0, gain: float = 1.0) -> Click:
    return Click(f"{user}-{hours}", user, "sofa", item, gain, NOON + hours * HOUR, position)


def page(user: str, items: str = "ij", *, first: int = 1, hours: float = 0, query: str = "sofa") -> Page:
    positions = tuple(range(first, first + len(items)))
    return Page(f"{user}-{hours}", user, query, NOON + hours * HOUR, tuple(items), positions)


def table(clicks: list[Click], pages: list[Page], most: int = 5) -> Table:
    return tabulate(clicks, pages, weight_of=lambda _user, _at: 1.0, most=most)


def of_pair(found: Table, item: str, query: str = "sofa") -> list[tuple[int, float, float]]:
    """Position class, shown and clicked."""
    own = found.trials.pair == found.rows[query, item]
    columns = (found.trials.position, found.trials.shown, found.trials.clicked)
    return list(zip(*(column[own].tolist() for column in columns), strict=True))


def test_a_look_without_a_click_counts_against() -> None:
    found = table([click("a")], [page("b"), page("c")])
    assert of_pair(found, "i") == [(0, 3.0, 1.0)]
    assert of_pair(found, "j") == [(1, 2.0, 0.0)]
    assert found.times.tolist() == [3, 2]


def test_a_user_who_looks_again_on_the_day_looks_once_where_it_stood_highest() -> None:
    found = table(
        [click("z")], [page("a", "j", first=4), page("a", "j", first=2, hours=1), page("a", "j", first=9, hours=2)]
    )
    assert of_pair(found, "j") == [(1, 1.0, 0.0)]


def test_a_user_who_clicked_on_the_day_did_not_pass_it_over() -> None:
    found = table([click("a", hours=3)], [page("a", hours=1)])
    assert of_pair(found, "i") == [(0, 1.0, 1.0)]


def test_a_user_passes_a_pair_over_a_few_times_at_most() -> None:
    found = table([click("z")], [page("a", "j", first=1 + day, hours=24 * day) for day in range(4)], most=2)
    assert [position for position, _, _ in of_pair(found, "j")] == [2, 3]


def test_what_is_unwanted_was_not_clicked_for() -> None:
    assert of_pair(table([click("a", gain=-0.5)], []), "i") == [(0, 1.0, 0.0)]


def test_positions_far_down_share_a_class() -> None:
    found = table([click("a", "x", position=11), click("a", "y", position=15), click("a", "z", position=5_000)], [])
    assert [of_pair(found, item)[0][0] for item in "xyz"] == [7, 7, 14]


def test_pairs_of_a_query_know_it() -> None:
    found = table([click("a")], [page("b", query="Lamp"), page("b", hours=1)])
    queries = [int(found.trials.query[found.rows[pair]]) for pair in (("lamp", "i"), ("lamp", "j"), ("sofa", "j"))]
    assert queries == [0, 0, 1]


def test_a_trial_weighs_what_is_said() -> None:
    weights = {"a": 0.5, "b": 0.25}
    found = tabulate([click("a")], [page("b")], weight_of=lambda user, _: weights[user], most=5)
    assert of_pair(found, "i") == [(0, 0.75, 0.5)]


hours = st.integers(0, 100).map(float)
users, items = st.sampled_from("abc"), st.sampled_from(["ij", "ji", "k"])
some_clicks = st.lists(
    st.builds(click, users, st.sampled_from("ij"), position=st.integers(1, 20), hours=hours),
    min_size=1,
    max_size=12,
    unique_by=lambda one: (one.user, one.item_id, one.at.date()),
)
some_pages = st.lists(st.builds(page, users, items, first=st.integers(1, 20), hours=hours), max_size=20)


@given(some_clicks, some_pages, st.randoms(use_true_random=False))
def test_the_order_does_not_matter(clicks: list[Click], pages: list[Page], random: Random) -> None:
    def weight_of(user: str, at: datetime) -> float:
        return 0.1 * (1 + "abc".index(user)) + 1e-3 * at.hour

    before = tabulate(clicks, pages, weight_of=weight_of, most=3)
    random.shuffle(clicks)
    random.shuffle(pages)
    after = tabulate(clicks, pages, weight_of=weight_of, most=3)
    assert after.rows == before.rows
    for name in ("pair", "position", "shown", "clicked", "query"):
        assert np.array_equal(getattr(after.trials, name), getattr(before.trials, name))


@given(some_clicks, some_pages)
def test_each_user_pair_and_day_is_a_trial(clicks: list[Click], pages: list[Page]) -> None:
    found = table(clicks, pages, most=1_000)
    tried = {(one.user, one.item_id, one.at.date()) for one in clicks}
    tried |= {(one.user, item, one.at.date()) for one in pages for item in one.items}
    wanted = Counter(item for _, item, _ in tried)
    assert {item: int(found.times[row]) for (_, item), row in found.rows.items()} == wanted
    assert found.trials.clicked.sum() == len(clicks)
