import random
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from embedding_studio.experiments.drafting import team_draft

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
