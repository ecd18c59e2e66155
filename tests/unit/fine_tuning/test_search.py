"""The search for good settings."""

from collections.abc import Mapping
from typing import Any

import pytest

from embedding_studio.fine_tuning.search import MOST_CONFIGURATIONS, halve, proposals
from embedding_studio.fine_tuning.tracks import EncoderTrack
from embedding_studio.ml.job import LEARNING_RATES

pytestmark = pytest.mark.anyio


def test_the_first_proposals_are_the_defaults_and_earlier_winners() -> None:
    winners = [{"learning_rate": 0.07, "anchor": 1.5, "epochs": 9}, {"scale": 33.0}]
    found = proposals("query_adapter", 6, winners=winners, asked={"epochs": 5}, seed=1)
    assert found[:3] == [
        {"epochs": 5},
        {"learning_rate": 0.07, "anchor": 1.5, "epochs": 5},
        {"scale": 33.0, "epochs": 5},
    ]
    assert len(found) == 6


def test_the_same_seed_proposes_the_same_and_nothing_twice() -> None:
    one, again, other = (proposals("query_encoder", 12, winners=[], asked={}, seed=seed) for seed in (1, 1, 2))
    assert one == again != other
    assert all(config not in one[:place] for place, config in enumerate(one))


def test_no_more_than_twelve_are_proposed() -> None:
    assert len(proposals("query_adapter", 100, winners=[], asked={}, seed=0)) == MOST_CONFIGURATIONS == 12


async def test_a_third_goes_on_and_the_best_is_trained_in_full() -> None:
    tried: list[tuple[int, float]] = []

    async def train(config: Mapping[str, Any], share: float) -> int:
        tried.append((config["n"], round(share, 2)))
        return int(config["n"])

    best = await halve([{"n": n} for n in range(12)], train, value=float)
    assert best == 11
    assert [sum(share == one for _, share in tried) for one in (0.11, 0.33, 1.0)] == [12, 4, 1]


async def test_one_setting_is_trained_once() -> None:
    shares = []

    async def train(_: Mapping[str, Any], share: float) -> int:
        shares.append(share)
        return 1

    await halve([{}], train, value=float)
    assert shares == [1.0]


async def test_of_two_that_are_equally_good_the_earlier_goes_on() -> None:
    async def train(config: Mapping[str, Any], _: float) -> Mapping[str, Any]:
        return config

    best = await halve([{"n": 1}, {"n": 2}, {"n": 3}], train, value=lambda _: 0.5)
    assert best == {"n": 1}


@pytest.mark.parametrize("track", LEARNING_RATES)
def test_a_tracks_own_learning_rate_is_in_the_middle_of_those_that_are_tried(track: EncoderTrack) -> None:
    drawn = [config["learning_rate"] for config in proposals(track, 12, winners=[], asked={}, seed=0)[1:]]
    assert min(drawn) < LEARNING_RATES[track] < max(drawn)
