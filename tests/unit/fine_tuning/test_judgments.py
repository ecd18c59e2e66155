"""From clicks to judgments."""

from collections import Counter, defaultdict
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedding_studio.fine_tuning.judgments import Click, JudgmentConfig, Judgments, judge, normalize_query
from embedding_studio.kernel.errors import InvalidError

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def click(
    user: str = "u1", item: str = "i1", *, query: str = "old westerns", gain: float = 1.0, days: float = 0
) -> Click:
    at = NOON + days * DAY
    return Click(
        session_id=f"{user}-{query}-{days}", user=user, query=query, item_id=item, gain=gain, at=at, position=1
    )


clicks = st.lists(
    st.builds(
        Click,
        session_id=st.sampled_from("stuvw"),
        user=st.sampled_from("abcd"),
        query=st.sampled_from(["Old westerns", "old  westerns!", "space", "?"]),
        item_id=st.sampled_from("ijk"),
        gain=st.sampled_from([-1.0, 0.0, 0.25, 1.0]),
        at=st.integers(0, 300).map(lambda hours: NOON + hours * timedelta(hours=1)),
        position=st.integers(1, 10),
    ),
    max_size=60,
)


def test_two_users_make_a_judgment() -> None:
    (row,) = judge([click("u1", gain=1.0), click("u2", gain=0.5, days=-10, query="Old Westerns?")]).rows
    assert (row.group, row.item_id, row.users) == ("old westerns", "i1", 2)
    assert (row.first, row.last) == (NOON - 10 * DAY, NOON)
    faded = 0.5 ** (10 / 90)
    assert row.weight == pytest.approx(1 + faded)
    assert row.gain == pytest.approx((1 + 0.5 * faded) / (1 + faded))


def test_the_most_frequent_spelling_stands_for_the_group() -> None:
    spellings = ["Old Westerns", "old westerns", "old westerns", "OLD westerns"]
    (row,) = judge([click(f"u{n}", query=query) for n, query in enumerate(spellings)]).rows
    assert row.query == "old westerns"


def test_a_click_weighs_half_after_the_half_life() -> None:
    pair = [click("u1"), click("u2"), click("u3", "i2", days=-90), click("u4", "i2", days=-90)]
    new, old = judge(pair).rows
    assert old.weight == pytest.approx(new.weight / 2)


def test_one_user_alone_moves_nothing() -> None:
    judged = judge([click(days=-days) for days in range(4)])
    assert judged.rows == ()
    assert judged.dropped == {"too_few_users": 4}


def test_the_strongest_of_a_users_clicks_of_a_day_counts() -> None:
    judged = judge([click("u1", gain=0.2), click("u1", gain=0.9), click("u1", gain=0.2), click("u2", gain=0.9)])
    assert judged.rows[0].gain == pytest.approx(0.9)
    assert judged.dropped == {"duplicate": 2}


def test_a_user_speaks_for_a_pair_five_times_at_most_and_the_newest_count() -> None:
    judged = judge([click("u2"), *(click("u1", days=-days) for days in range(8))])
    assert judged.dropped == {"user_repeats_pair": 3}
    assert judged.rows[0].first == NOON - 4 * DAY


def test_clicks_that_say_nothing_are_counted() -> None:
    judged = judge([click("u1"), click("u2"), click("u3", gain=0.0), click("u3", query="?! ")])
    assert judged.dropped == {"no_gain": 1, "no_words": 1}
    assert judged.rows[0].users == 2


def test_a_user_who_clicks_faster_than_people_is_dropped() -> None:
    def burst(user: str, count: int) -> list[Click]:
        return [replace(click(user, f"i{n}"), at=NOON + n * timedelta(milliseconds=1)) for n in range(count)]

    judged = judge([*burst("bot", 101), *burst("u1", 100), *burst("u2", 100)])
    assert judged.dropped == {"bot_rate": 101}
    assert {row.users for row in judged.rows} == {2}


def test_a_session_in_which_everything_was_clicked_is_dropped() -> None:
    def session(user: str, positions: range) -> list[Click]:
        return [replace(click(user, f"i{n}"), position=n, at=NOON + n * timedelta(seconds=9)) for n in positions]

    judged = judge([*session("u1", range(1, 9)), *session("u2", range(1, 8)), *session("u3", range(2, 12))])
    assert judged.dropped["clicked_everything"] == 8
    assert {row.users for row in judged.rows} == {2}


def shares(users: int, heavy: int) -> tuple[Judgments, Counter[str]]:
    """Everyone clicks the shared item; user 0 clicks `heavy` more, each with a partner of its own."""
    many = [click(f"u{n}") for n in range(users)]
    for n in range(heavy):
        many += [click("u0", f"j{n}"), click(f"u{n % (users - 1) + 1}", f"j{n}")]
    judged = judge(many)
    carried = Counter({row.item_id: row.weight for row in judged.rows})
    return judged, carried


def test_a_user_carries_one_percent_of_all_weight_at_most() -> None:
    judged, carried = shares(users=400, heavy=80)
    total = sum(carried.values())
    heavy_users_part = total - (400 - 1) - 80
    assert judged.capped_users == 1
    assert heavy_users_part / total == pytest.approx(0.01)


def test_among_few_users_a_user_carries_twice_the_mean_share_at_most() -> None:
    judged, carried = shares(users=10, heavy=90)
    total = sum(carried.values())
    assert judged.capped_users == 1
    assert (total - (10 - 1) - 90) / total == pytest.approx(0.2)


@given(clicks, st.randoms(use_true_random=False))
def test_the_order_of_clicks_does_not_matter(given_clicks: list[Click], random: Random) -> None:
    judged = judge(given_clicks)
    random.shuffle(given_clicks)
    assert judge(given_clicks) == judged


@given(clicks)
def test_every_click_is_kept_or_counted(given_clicks: list[Click]) -> None:
    judged = judge(given_clicks, JudgmentConfig(max_user_share=1.0, half_life_days=1e8))
    assert sum(row.weight for row in judged.rows) + sum(judged.dropped.values()) == pytest.approx(len(given_clicks))


@given(clicks)
def test_judgments_keep_their_bounds(given_clicks: list[Click]) -> None:
    rows = judge(given_clicks).rows
    users = defaultdict[tuple[str, str], set[str]](set)
    for one in given_clicks:
        users[normalize_query(one.query), one.item_id].add(one.user)
    assert len({(row.group, row.item_id) for row in rows}) == len(rows)
    for row in rows:
        assert -1 <= row.gain <= 1
        assert row.weight > 0
        assert 2 <= row.users <= len(users[row.group, row.item_id])
        assert row.first <= row.last


@given(clicks)
def test_the_hash_is_of_the_rows(given_clicks: list[Click]) -> None:
    judged = judge(given_clicks)
    again = judge([*given_clicks, click("one user alone", "another item")])
    assert (again.content_hash == judged.content_hash) == (again.rows == judged.rows)


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("  Old\tWESTERNS!!", "old westerns"),
        ("Straße", "strasse"),
        ("ﬁlm noir", "film noir"),
        ("rock'n'roll", "rock n roll"),
        ("日本　映画", "日本 映画"),
        ("\x00?", ""),
    ],
)
def test_queries_are_normalised(text: str, normal: str) -> None:
    assert normalize_query(text) == normal


@given(st.text())
def test_normalising_twice_changes_nothing(text: str) -> None:
    assert normalize_query(normalize_query(text)) == normalize_query(text)


@pytest.mark.parametrize("gain", [1.01, -2.0, float("nan")])
def test_a_gain_out_of_range_is_refused(gain: float) -> None:
    with pytest.raises(InvalidError):
        click(gain=gain)
