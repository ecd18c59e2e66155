"""Options are read strictly, and say the same when they come back from the database."""

import msgspec
import pytest

from embedding_studio.kernel.errors import InvalidError
from embedding_studio.sdk import ReciprocalRank, WeightedMinMax
from embedding_studio.vector_store.options import (
    CollectionOptions,
    FusionOptions,
    IndexOptions,
    parse_options,
    stored_options,
)


def test_options_come_back_as_they_were() -> None:
    given = {
        "dimensions": 3,
        "language": "german",
        "fusion": {"kind": "reciprocal_rank", "k": 10},
        "index": {"storage": "binary", "m": 32, "ef_construction": 128, "ef_search": 200, "partitions": 8},
    }
    options = parse_options(given)
    assert msgspec.convert(stored_options(options), CollectionOptions) == options
    assert options.index == IndexOptions("binary", 32, 128, 200, 8)


def test_one_partition_goes_unsaid() -> None:
    assert stored_options(parse_options({"index": {"m": 8}}))["index"].keys() == {
        "storage",
        "m",
        "ef_construction",
        "ef_search",
    }
    assert stored_options(parse_options({})) == {}


def test_a_fusion_is_that_of_a_plugin() -> None:
    assert FusionOptions("weighted", vector=0.3).build() == WeightedMinMax(0.3)
    assert FusionOptions("reciprocal_rank", k=7).build() == ReciprocalRank(7)


@pytest.mark.parametrize(
    ("given", "place"),
    [
        ({"lists": 1}, "options.lists"),
        ({"index": {"lists": 1}}, "options.index.lists"),
        ({"index": {"m": 1}}, "options.index.m"),
        ({"index": {"m": 40}}, "options.index.ef_construction"),
        ({"index": {"partitions": 0}}, "options.index.partitions"),
        ({"index": {"partitions": 65}}, "options.index.partitions"),
        ({"index": {"storage": "float64"}}, "options.index.storage"),
        ({"language": "English"}, "options.language"),
        ({"fusion": {}}, "options.fusion"),
        ({"mode": "both"}, "options.mode"),
    ],
)
def test_what_is_wrong_is_named(given: dict[str, object], place: str) -> None:
    with pytest.raises(InvalidError) as caught:
        parse_options(given)
    assert caught.value.errors[0].field == place
