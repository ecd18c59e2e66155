"""What the shipped shop makes of queries and of what it sells."""

from datetime import UTC, datetime
from typing import Any

import pytest

from embedding_studio.infra.shipped import shipped
from embedding_studio.sdk import CrossEncoderRerank, EmbeddingPlugin, find_plugins
from embedding_studio.search.processing import process

NOW = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def plugin() -> EmbeddingPlugin:
    return next(one for one in find_plugins(shipped("plugins")).working() if one.name == "shop")


@pytest.mark.parametrize(
    ("query", "text", "expansions", "filters"),
    [
        (
            "Sofa bed under $500 brand:Acme",
            "sleeper sofa",
            ("couch",),
            ({"field": "price", "lt": 500}, {"field": "brand", "eq": "Acme"}),
        ),
        ("Wardrobe", "Wardrobe", ("closet",), ()),
        ("leather couch priced between 100 and 200 euros", "leather couch", ("sofa",), ({"gte": 100, "lte": 200},)),
        ("TV stand", "television stand", (), ()),
        ("oak table 90x200", "oak table 90x200", (), ()),
    ],
)
def test_a_query_is_understood(
    plugin: EmbeddingPlugin, query: str, text: str, expansions: tuple[str, ...], filters: tuple[dict[str, Any], ...]
) -> None:
    draft = process(plugin.ranking.query, query).draft
    assert (draft.text, draft.expansions) == (text, expansions)
    assert draft.filters == tuple({"field": "price"} | tree for tree in filters)


def test_filters_are_of_declared_fields_and_boosts_too(plugin: EmbeddingPlugin) -> None:
    processed = process(plugin.ranking.query, "sofa under 5 brand:x")
    assert {tree["field"] for tree in processed.draft.filters} <= plugin.fields.keys()
    assert {ranker.name.partition(":")[2] for ranker in plugin.ranking.rankers} <= plugin.fields.keys()


def test_the_new_and_the_well_sold_get_more_and_never_much(plugin: EmbeddingPlugin) -> None:
    def shares(**payload: object) -> float:
        boosts = [ranker for ranker in plugin.ranking.rankers if not isinstance(ranker, CrossEncoderRerank)]
        return sum(boost.build()(payload, NOW) for boost in boosts)

    assert shares() == 0
    assert shares(sold=100, added_at="2026-05-02") == pytest.approx(0.05)
    assert shares(sold=10**9, added_at="2026-06-01") == pytest.approx(0.1)
