"""What is no person's opinion is left out and counted."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedding_studio.fine_tuning.clicks import Click, JudgmentConfig, Page, Sifted, normalize_query, sift
from embedding_studio.kernel.errors import InvalidError

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
CONFIG = JudgmentConfig()


def click(
    user: str = "u1", item: str = "i1", *, query: str = "old westerns", gain: float = 1.0, days: float = 0
) -> Click:
    at = NOON + days * DAY
    return Click(f"{user}-{query}-{days}", user, query, item, gain, at, position=1)


def page(user: str = "u1", *, query: str = "old westerns", days: float = 0, items: Sequence[str] = "ijk") -> Page:
    positions = tuple(range(1, len(items) + 1))
    return Page(f"{user}-{query}-{days}", user, query, NOON + days * DAY, tuple(items), positions)


def sifted(clicks: list[Click], pages: Sequence[Page] = ()) -> Sifted:
    return sift(clicks, pages, CONFIG)


users, queries = st.sampled_from("abcd"), st.sampled_from(["Old westerns", "old  westerns!", "space", "?"])
times = st.integers(0, 300).map(lambda hours: NOON + hours * timedelta(hours=1))
clicks = st.lists(
    st.builds(
        Click,
        session_id=st.sampled_from("stuvw"),
        user=users,
        query=queries,
        item_id=st.sampled_from("ijk"),
        gain=st.sampled_from([-1.0, 0.0, 0.25, 1.0]),
        at=times,
        position=st.integers(1, 10),
        kind=st.sampled_from(["click", "dwell", "like"]),
    ),
    max_size=60,
)
pages = st.lists(
    st.builds(
        Page,
        session_id=st.sampled_from("stuvw"),
        user=users,
        query=queries,
        at=times,
        items=st.just(tuple("ijk")),
        positions=st.just((1, 2, 3)),
    ),
    max_size=20,
)


def test_the_strongest_of_a_users_clicks_of_a_day_counts() -> None:
    found = sifted([click("u1", gain=0.2), click("u1", gain=0.9), click("u1", gain=0.2), click("u2", gain=0.9)])
    assert [one.gain for one in found.clicks] == [0.9, 0.9]
    assert found.dropped == {"duplicate": 2}


def test_a_user_speaks_for_a_pair_five_times_at_most_and_the_newest_count() -> None:
    found = sifted([click("u2"), *(click("u1", days=-days) for days in range(8))])
    assert found.dropped == {"user_repeats_pair": 3}
    assert found.clicks[0].at == NOON - 4 * DAY


def test_clicks_that_say_nothing_are_counted() -> None:
    found = sifted([click("u1"), click("u2"), click("u3", gain=0.0), click("u3", query="?! ")], [page(query="...")])
    assert found.dropped == {"no_gain": 1, "no_words": 1}
    assert found.dropped_pages == {"no_words": 1}
    assert len(found.clicks) == 2


def burst(user: str, count: int) -> list[Click]:
    return [replace(click(user, f"i{n}"), at=NOON + n * timedelta(milliseconds=1)) for n in range(count)]


def test_a_user_who_clicks_faster_than_people_is_dropped_with_all_it_saw() -> None:
    found = sifted([*burst("bot", 101), *burst("u1", 100)], [page("bot"), page("u1", days=1)])
    assert found.dropped == {"bot_rate": 101}
    assert found.dropped_pages == {"bot_rate": 1}
    assert {one.user for one in found.clicks} == {one.user for one in found.pages} == {"u1"}


def test_a_user_who_searches_faster_than_people_is_dropped_too() -> None:
    scraped = [replace(page("bot"), session_id=f"s{n}", at=NOON + n * timedelta(milliseconds=1)) for n in range(101)]
    found = sifted([click("bot")], [*scraped, page("u1")])
    assert (found.dropped, found.dropped_pages) == ({"bot_rate": 1}, {"bot_rate": 101})


def test_a_session_in_which_everything_was_clicked_is_dropped() -> None:
    def session(user: str, positions: range) -> list[Click]:
        return [replace(click(user, f"i{n}"), position=n, at=NOON + n * timedelta(seconds=9)) for n in positions]

    found = sifted([*session("u1", range(1, 9)), *session("u2", range(1, 8)), *session("u3", range(2, 12))], [page()])
    assert found.dropped == {"clicked_everything": 8}
    assert found.dropped_pages == {"clicked_everything": 1}
    assert {one.user for one in found.clicks} == {"u2", "u3"}


def test_where_dwell_times_are_sent_a_user_who_never_stays_is_dropped() -> None:
    hasty = [click("bot", f"i{n}", days=n) for n in range(20)]
    staying = [click("u1", f"i{n}", days=n) for n in range(20)]
    stay = replace(click("u1", gain=0.0, days=30), kind="dwell")
    assert sifted([*hasty, *staying, stay]).dropped == {"no_dwell": 20, "no_gain": 1}
    assert sifted([*hasty, *staying]).dropped == {}
    assert sifted([*hasty[1:], *staying, stay]).dropped == {"no_gain": 1}


def test_a_page_is_left_with_what_nothing_was_done_to() -> None:
    found = sifted([click("u1", "j"), click("u2", "k", gain=0.0)], [page("u1"), page("u2"), page("u3")])
    assert [one.items for one in found.pages] == [("i", "k"), ("i", "j", "k"), ("i", "j", "k")]
    assert found.pages[0].positions == (1, 3)


@given(clicks, pages, st.randoms(use_true_random=False))
def test_the_order_does_not_matter(given_clicks: list[Click], given_pages: list[Page], random: Random) -> None:
    before = sifted(given_clicks, given_pages)
    random.shuffle(given_clicks)
    random.shuffle(given_pages)
    after = sifted(given_clicks, given_pages)
    assert (after.clicks, after.dropped, after.dropped_pages) == (before.clicks, before.dropped, before.dropped_pages)
    assert sorted(after.pages, key=repr) == sorted(before.pages, key=repr)


@given(clicks, pages)
def test_everything_is_kept_or_counted(given_clicks: list[Click], given_pages: list[Page]) -> None:
    found = sifted(given_clicks, given_pages)
    assert len(found.clicks) + sum(found.dropped.values()) == len(given_clicks)
    assert len(found.pages) + sum(found.dropped_pages.values()) == len(given_pages)


@given(clicks, pages)
def test_sifting_twice_changes_nothing(given_clicks: list[Click], given_pages: list[Page]) -> None:
    once = sifted(given_clicks, given_pages)
    whole = JudgmentConfig(clicks_without_dwell=1_000, everything_clicked=1_000)  # what looks at all that was done
    again = sift(once.clicks, once.pages, whole)
    assert (again.clicks, dict(again.dropped)) == (once.clicks, {})


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
