"""What a request for a fine-tuning may say."""

from typing import Any

import pytest

from embedding_studio.fine_tuning.schemas import FineTuningIn
from embedding_studio.kernel.errors import InvalidError


@pytest.mark.parametrize(
    ("track", "params"),
    [
        ("auto", {"seconds": 60, "search": 3, "seed": 1}),
        ("query_adapter", {"rank": 8, "search": 12}),
        ("query_encoder", {"lora_rank": 8, "epochs": 2}),
        ("both_encoders", {"batch_size": 64, "patience": 2}),
        ("query_encoder", {"precision": "int8"}),
        ("both_encoders", {"precision": "fp32"}),
    ],
)
def test_each_track_has_settings_of_its_own(track: Any, params: dict[str, Any]) -> None:
    assert FineTuningIn(track=track, params=params).to_domain().params == params


@pytest.mark.parametrize(
    ("track", "params", "field"),
    [
        ("query_adapter", {"lora_rank": 8}, "params.lora_rank"),
        ("query_encoder", {"rank": 8}, "params.rank"),
        ("auto", {"epochs": 8}, "params.epochs"),
        ("query_adapter", {"search": 13}, "params.search"),
        ("query_encoder", {"epochs": "many"}, "params.epochs"),
        ("both_encoders", {"seconds": 0}, "params.seconds"),
        ("both_encoders", {"precision": "int4"}, "params.precision"),
        ("query_adapter", {"precision": "int8"}, "params.precision"),
        ("auto", {"precision": "int8"}, "params.precision"),
    ],
)
def test_other_settings_are_refused_by_name(track: Any, params: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidError) as raised:
        FineTuningIn(track=track, params=params).to_domain()
    assert [place.field for place in raised.value.errors] == [field]
