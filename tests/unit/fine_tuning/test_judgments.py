"""From clicks to judgments."""

from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from click_worlds import clicked_world
from embedding_studio.fine_tuning.clicks import Click, JudgmentConfig, Page, normalize_query
from embedding_studio.fine_tuning.judgments import Judgment, Judgments, judge, outranked

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
PASSED = tuple(f"passed {n}" for n in range(8))


def click(
    user: str = "u1",
    item: str = "i1",
    *,
    query: str = "old westerns",
    gain: float = 1.0,
    days: float = 0,
    kind: str = "click",
) -> Click:
    at = NOON + days * DAY
    return Click(f"{user}-{query}-{days}", user, query, item, gain, at, position=1, kind=kind)


def strangers(count: int = 60, *, days: float = 0) -> list[Page]:
    """Searches for other things after which nobody clicked: clicks stand out."""
    return [
        Page(f"s{n}", f"s{n}", f"query {n % 20}", NOON + days * DAY, PASSED, tuple(range(1, len(PASSED) + 1)))
        for n in range(count)
    ]


def judged(*clicks: Click, config: JudgmentConfig | None = None) -> Judgments:
    """Judge the clicks among a crowd whose clicks agree, so that there is evidence enough that clicks say something."""
    crowd = [click(f"c{n}", f"of query {n % 10}", query=f"query {n % 10}") for n in range(40)]
    return judge([*clicks, *crowd], strangers(), config)


def of(query: str, found: Judgments) -> tuple[Judgment, ...]:
    return tuple(row for row in found.rows if row.group == query)


def test_two_users_make_a_judgment() -> None:
    (row,) = of("old westerns", judged(click("u1", gain=1.0), click("u2", gain=0.5, days=-10, query="Old Westerns?")))
    assert (row.group, row.item_id, row.users, row.source) == ("old westerns", "i1", 2, "click")
    assert (row.first, row.last) == (NOON - 10 * DAY, NOON)
    faded = 0.5 ** (10 / 90)
    assert row.gain == pytest.approx((1 + 0.5 * faded) / (1 + faded))
    assert row.impressions == 2
    assert row.worth == row.gain * row.weight


def test_the_most_frequent_spelling_stands_for_the_group() -> None:
    spellings = ["Old Westerns", "old westerns", "old westerns", "OLD westerns"]
    (row,) = of("old westerns", judged(*(click(f"u{n}", query=query) for n, query in enumerate(spellings))))
    assert row.query == "old westerns"


def test_old_clicks_weigh_less() -> None:
    found = judged(*(click(f"u{n}", "new") for n in range(2)), *(click(f"v{n}", "old", days=-90) for n in range(2)))
    weights = {row.item_id: row.weight for row in of("old westerns", found)}
    assert weights["old"] < weights["new"]


def test_one_user_alone_moves_nothing() -> None:
    found = judged(*(click(days=-days) for days in range(4)))
    assert of("old westerns", found) == ()
    assert found.dropped == {"too_few_users": 4}


def test_who_looks_and_passes_over_speaks_against() -> None:
    agreed = [click("u1"), click("u2")]
    passed = [Page(f"p{n}", f"p{n}", "old westerns", NOON, ("i1",), (1,)) for n in range(40)]
    crowd = [click(f"c{n}", f"of query {n % 10}", query=f"query {n % 10}") for n in range(40)]
    before, after = (judge([*agreed, *crowd], [*strangers(), *more]) for more in ([], passed))
    assert of("old westerns", before)[0].weight > 0.5
    assert all(row.weight < 0.5 for row in of("old westerns", after))


def test_what_users_say_outright_needs_no_comparison() -> None:
    liked = [click(f"u{n}", kind="like") for n in range(2)]
    disliked = [click(f"u{n}", "i2", gain=-1.0, kind="dismiss") for n in range(3)]
    rows = {row.item_id: row for row in judge([*liked, *disliked]).rows}
    assert (rows["i1"].source, rows["i1"].weight, rows["i1"].gain) == ("explicit", 0.75, 1.0)
    assert (rows["i2"].source, rows["i2"].weight, rows["i2"].gain) == ("explicit", 0.875, -1.0)


RELEVANT = {(query, 1 + query % 5) for query in range(150)}


def test_weights_tell_good_items_from_others() -> None:
    clicks, pages = clicked_world(
        lambda query, position: (0.6 if (query, position) in RELEVANT else 0.08) * position**-0.7, queries=150
    )
    found = judge(clicks, pages)
    weights = {(row.group, row.item_id): row.weight for row in found.rows}
    good = {(f"query {query}", f"{query}-{position}") for query, position in RELEVANT}
    right = sum(weight for pair, weight in weights.items() if pair in good)
    assert right > 60
    assert right > 4 * (sum(weights.values()) - right)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("slope", [0.0, 0.7, 1.5])
def test_of_clicks_that_say_nothing_no_judgment_is_made(seed: int, slope: float) -> None:
    clicks, pages = clicked_world(lambda _, position: 0.4 * position**-slope, queries=150, seed=seed)
    found = judge(clicks, pages)
    assert found.rows == ()
    assert found.dropped["no_better_than_others"] > 0


def shares(users: int, heavy: int) -> tuple[Judgments, Counter[str]]:
    """Everyone likes the shared item; user 0 likes `heavy` more, each with a partner of its own."""
    many = [click(f"u{n}") for n in range(users)]
    for n in range(heavy):
        many += [click("u0", f"j{n}"), click(f"u{n % (users - 1) + 1}", f"j{n}", gain=0.5)]
    found = judge([*many], strangers())
    return found, Counter({row.item_id: row.gain for row in found.rows})


def test_a_user_who_clicks_a_lot_weighs_less() -> None:
    found, gains = shares(users=400, heavy=80)
    assert found.capped_users == 1
    assert gains["j1"] < 0.55
    among_few, gains = shares(users=10, heavy=90)
    assert among_few.capped_users == 1
    assert gains["j1"] < 0.65


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
        kind=st.sampled_from(["click", "like"]),
    ),
    max_size=60,
)
pages = st.lists(
    st.builds(
        Page,
        session_id=st.uuids(version=4).map(str),
        user=st.sampled_from("abcdefgh"),
        query=st.sampled_from(["old westerns", "space"]),
        at=st.integers(0, 300).map(lambda hours: NOON + hours * timedelta(hours=1)),
        items=st.permutations("ijk").map(tuple),
        positions=st.just((1, 2, 3)),
    ),
    max_size=20,
)


@given(clicks, pages, st.randoms(use_true_random=False))
def test_the_order_does_not_matter(given_clicks: list[Click], given_pages: list[Page], random: Random) -> None:
    before = judge(given_clicks, given_pages)
    random.shuffle(given_clicks)
    random.shuffle(given_pages)
    after = judge(given_clicks, given_pages)
    assert (after.rows, after.dropped, after.content_hash) == (before.rows, before.dropped, before.content_hash)


@given(clicks, pages)
def test_every_click_is_kept_or_counted(given_clicks: list[Click], given_pages: list[Page]) -> None:
    found = judge(given_clicks, given_pages)
    assert found.clicks + sum(found.dropped.values()) == len(given_clicks)


@given(clicks, pages)
def test_judgments_keep_their_bounds(given_clicks: list[Click], given_pages: list[Page]) -> None:
    rows = judge(given_clicks, given_pages).rows
    users = defaultdict[tuple[str, str], set[str]](set)
    for one in given_clicks:
        users[normalize_query(one.query), one.item_id].add(one.user)
    assert len({(row.group, row.item_id) for row in rows}) == len(rows)
    for row in rows:
        assert -1 <= row.gain <= 1
        assert JudgmentConfig().min_weight <= row.weight <= 1
        assert 2 <= row.users <= len(users[row.group, row.item_id])
        assert row.users <= row.impressions
        assert row.first <= row.last


@settings(max_examples=30)
@given(clicks, pages)
def test_the_hash_is_of_the_rows_and_the_configuration(given_clicks: list[Click], given_pages: list[Page]) -> None:
    found = judge(given_clicks, given_pages)
    other = judge(given_clicks, given_pages, JudgmentConfig(half_life_days=91))
    assert found.content_hash != other.content_hash
    again = judge([*given_clicks, click("one user alone", "another item")], given_pages)
    assert (again.content_hash == found.content_hash) == (again.rows == found.rows)


def decided(group: str, item: str, gain: float, at: datetime = NOON) -> Judgment:
    return Judgment(group, group, item, gain, 1.0, "curated", 0, 0, at, at)


def test_what_editors_decided_is_beside_what_is_concluded_and_in_the_hash() -> None:
    clicks = [click("u1"), click("u2")]
    editors = [decided("old westerns", "i2", 0.5), decided("old westerns", "i1", -1.0)]
    plain, found = judge(clicks, strangers()), judge(clicks, strangers(), curated=editors)
    assert (found.rows, found.curated) == (plain.rows, (editors[1], editors[0]))
    hashes = {
        judge(clicks, strangers(), curated=rows).content_hash
        for rows in (editors, editors[::-1], editors[:1], [decided("old westerns", "i2", 0.6), editors[1]], [])
    }
    assert len(hashes) == 4
    assert judge([], curated=editors).curated == found.curated
    assert judge([], curated=editors).content_hash != judge([]).content_hash


def test_an_editor_outranks_clicks_on_the_same_pair_alone() -> None:
    concluded = judged(click("u1"), click("u2"), click("u1", "i2"), click("u2", "i2"))
    editors = [decided("old westerns", "i1", -1.0), decided("new ones", "i9", 1.0)]
    rows = outranked(concluded.rows, editors)
    assert len(rows) == len(concluded.rows) + 1
    assert {(row.item_id, row.source) for row in rows if row.group == "old westerns"} == {
        ("i1", "curated"),
        ("i2", "click"),
    }
    assert [row.pair for row in rows] == sorted(row.pair for row in rows)


def test_without_clicks_there_is_nothing_to_judge() -> None:
    found = judge([], strangers())
    assert (found.rows, found.model, dict(found.dropped)) == ((), None, {})
