import random
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from embedding_studio.experiments.drafting import draft_chances, team_draft

RANKINGS = st.lists(st.integers(0, 12).map(str), unique=True, max_size=10)


@given(RANKINGS, RANKINGS, st.integers(0, 1000))
def test_every_item_is_picked_once(control: list[str], treatment: list[str], seed: int) -> None:
    items = [pick.item_id for pick in team_draft(control, treatment, random.Random(seed))]
    assert sorted(items) == sorted({*control, *treatment})


@given(RANKINGS, RANKINGS, st.integers(0, 1000))
def test_a_team_picks_in_the_order_of_its_ranking(control: list[str], treatment: list[str], seed: int) -> None:
    picks = team_draft(control, treatment, random.Random(seed))
    for team, ranking in (("control", control), ("treatment", treatment)):
        places = [ranking.index(pick.item_id) for pick in picks if pick.team == team]
        assert places == sorted(places)


@given(st.permutations([str(item) for item in range(10)]), st.integers(0, 1000))
def test_no_team_is_ahead_by_more_than_a_pick(treatment: list[str], seed: int) -> None:
    control = [str(item) for item in range(10)]
    ahead = 0
    for pick in team_draft(control, treatment, random.Random(seed)):
        ahead += 1 if pick.team == "treatment" else -1
        assert abs(ahead) <= 1


def test_equal_rankings_share_every_place_evenly() -> None:
    ranking = [str(item) for item in range(6)]
    chance = random.Random(7)
    drafts = [team_draft(ranking, ranking, chance) for _ in range(4_000)]
    for place in range(6):
        share = Counter(draft[place].team for draft in drafts)["treatment"] / len(drafts)
        assert abs(share - 0.5) < 0.04


@given(RANKINGS, RANKINGS)
def test_each_place_has_one_item_and_each_item_one_place(control: list[str], treatment: list[str]) -> None:
    everything = {*control, *treatment}
    chances = draft_chances(control, treatment, len(everything))
    assert all(abs(sum(of_place.values()) - 1) < 1e-9 for of_place in chances)
    for item in everything:
        assert abs(sum(of_place.get(item, 0.0) for of_place in chances) - 1) < 1e-9


@given(RANKINGS, RANKINGS, st.integers(0, 1000))
def test_what_is_drafted_was_likely(control: list[str], treatment: list[str], seed: int) -> None:
    picks = team_draft(control, treatment, random.Random(seed))
    for pick, of_place in zip(picks, draft_chances(control, treatment, len(picks)), strict=True):
        assert of_place[pick.item_id] > 0


def test_the_chances_are_those_of_many_drafts() -> None:
    control, treatment = list("abcdefgh"), list("acbhdgfe")
    chance = random.Random(3)
    drafts = [team_draft(control, treatment, chance) for _ in range(20_000)]
    for place, of_place in enumerate(draft_chances(control, treatment, 8)):
        found = Counter(draft[place].item_id for draft in drafts)
        assert found.keys() == of_place.keys()
        for item, likely in of_place.items():
            assert abs(found[item] / len(drafts) - likely) < 0.02


def test_of_very_many_sets_the_likeliest_are_followed() -> None:
    control = [str(number) for number in range(200)]
    treatment = [str(number + (1 if number % 2 else -1) if number % 5 else number) for number in range(200)]
    chances = draft_chances(control, treatment, 100)
    assert all(abs(sum(of_place.values()) - 1) < 1e-9 for of_place in chances)
