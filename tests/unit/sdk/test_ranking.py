"""How a collection is searched, as data."""

from typing import Any

import pytest

from embedding_studio.sdk.rankers import FieldBoost
from embedding_studio.sdk.ranking import Ranking, ReciprocalRank, WeightedMinMax


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"mode": "psychic"}, "mode"),
        ({"depth": 0}, "depth"),
        ({"depth": 1_001}, "depth"),
        ({"rankers": [FieldBoost(field="a"), FieldBoost(field="a", cap=1)]}, "names of rankers"),
    ],
)
def test_what_cannot_be_searched_by_is_refused(fields: dict[str, Any], wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        Ranking(**fields)


def test_rankers_of_different_names_stand_together() -> None:
    Ranking(rankers=[FieldBoost(field="a"), FieldBoost(field="b")])


def test_fusions_refuse_what_they_could_not_compute_with() -> None:
    with pytest.raises(ValueError, match="weight"):
        WeightedMinMax(1.1)
    with pytest.raises(ValueError, match="k must"):
        ReciprocalRank(0)
