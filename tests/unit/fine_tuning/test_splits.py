"""Groups and their splits."""

from hypothesis import given
from hypothesis import strategies as st

from embedding_studio.fine_tuning.splits import near_duplicate_key, split, split_of

words = st.lists(st.text("abcdef", min_size=1, max_size=4), min_size=1, max_size=5)
salts = st.text(max_size=10)


@given(st.lists(words.map(" ".join)), salts)
def test_every_group_is_in_one_split(groups: list[str], salt: str) -> None:
    assert sorted(group for part in split(groups, salt=salt).values() for group in part) == sorted(set(groups))


@given(st.lists(words.map(" ".join)), salts)
def test_the_splits_do_not_depend_on_the_order_or_on_other_groups(groups: list[str], salt: str) -> None:
    parts = split(groups, salt=salt)
    assert parts == split(reversed(groups), salt=salt)
    assert all(split_of(group, salt=salt) == name for name, part in parts.items() for group in part)


@given(words, salts)
def test_near_duplicates_stay_together(query: list[str], salt: str) -> None:
    shuffled = [*reversed(query), query[0]]
    assert near_duplicate_key(" ".join(query)) == near_duplicate_key(" ".join(shuffled))
    assert split_of(" ".join(query), salt=salt) == split_of(" ".join(shuffled), salt=salt)


def test_the_shares_are_60_10_and_30_percent() -> None:
    parts = split((f"query {n}" for n in range(10_000)), salt="2026-01")
    assert abs(len(parts["train"]) - 6_000) < 200
    assert abs(len(parts["dev"]) - 1_000) < 150
    assert abs(len(parts["gate"]) - 3_000) < 200


def test_another_salt_draws_another_gate() -> None:
    groups = [f"query {n}" for n in range(10_000)]
    first, second = (set(split(groups, salt=salt)["gate"]) for salt in ("a", "b"))
    assert abs(len(first & second) - 900) < 150
