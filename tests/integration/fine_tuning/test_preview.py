"""What a model would rank without an index is what the collection ranks with one."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from embedding_studio.fine_tuning import judge
from embedding_studio.fine_tuning.dataset import Dataset, Group
from embedding_studio.fine_tuning.evaluation import Evaluator, Ranked
from embedding_studio.fine_tuning.materials import MaterialsReader
from embedding_studio.fine_tuning.preview import Previewer
from embedding_studio.fine_tuning.splits import Split
from embedding_studio.inference import QueryAdapter
from embedding_studio.vector_store import Collection
from studio import Studio

pytestmark = pytest.mark.anyio

Floats = NDArray[np.float32]
Shops = dict[str, Collection]

THINGS = ["sofa", "table", "lamp", "knife", "chair", "rug", "mirror", "shelf", "clock", "vase", "bowl", "bench"]
COLORS = ["red", "green", "blue", "black", "white", "grey", "pink", "brown", "golden", "purple"]
LONG = "It is of solid oak. " * 60
QUERIES = [
    "red sofa under 200",
    "something to sit on",
    '"green lamp"',
    "lamp brand:acme",
    "black",
    "a chair for kitchens",
]
MODES = ["hybrid", "vector", "lexical"]


def items() -> list[dict[str, Any]]:
    """More than a window holds, and some of several parts."""
    named = [(color, thing) for color in COLORS for thing in THINGS]
    return [
        {
            "id": f"{color}-{thing}",
            "payload": {
                "title": f"{color} {thing}",
                "brand": "Acme" if number % 2 else "Oak",
                "description": f"{thing} number {number}. " + (LONG if number % 10 == 0 else ""),
                "price": number * 3,
                "sold": 1000 * (number % 3),
            },
        }
        for number, (color, thing) in enumerate(named)
    ]


@pytest.fixture(scope="module")
async def shops(studio: Studio) -> Shops:
    """A shop of each mode; its plugin reads filters from queries, rewrites them, and has rankers."""
    made = {}
    for mode in MODES:
        name = f"previewed-{mode}"
        await studio.create(name, "shop", options={"mode": mode})
        await studio.add(name, items())
        made[mode] = await studio.container.collections.current(name)
    return made


def groups() -> list[Group]:
    """Queries that were shown some of the first and some of the last."""
    shown = tuple(sorted(one["id"] for one in items())[::7])
    return [Group(query, {}, {}, shown) for query in QUERIES]


async def preview(
    studio: Studio,
    collection: Collection,
    asked: Sequence[Group],
    *,
    adapter: QueryAdapter | None = None,
    sample: int = 5_000,
) -> tuple[list[Ranked], list[Ranked]]:
    """The rankings of the deployed model, and of the same encoder with an adapter as if it were a new one."""
    container = studio.container
    previewer = Previewer(
        searches=container.searches,
        reader=reader_of(studio),
        items=container.items,
        collections=container.collections,
        threads=1,
        sample=sample,
    )
    source = container.embeddings.encoder_of(collection)
    assert source
    folder = container.settings.inference.encoders / source.key
    texts, vectors = await embedded(studio, collection, asked)
    return await previewer.rank(collection, asked, texts, vectors, folder, adapter)


async def embedded(studio: Studio, collection: Collection, asked: Sequence[Group]) -> tuple[list[str], Floats]:
    texts = await evaluator(studio).texts(collection, asked)
    return texts, await studio.container.embeddings.embed(collection, texts, "query")


def reader_of(studio: Studio) -> MaterialsReader:
    container = studio.container
    return MaterialsReader(
        searches=container.searches,
        embeddings=container.embeddings,
        items=container.items,
        preparers=container.preparers,
    )


def evaluator(studio: Studio) -> Evaluator:
    return Evaluator(searches=studio.container.searches, clickstream=studio.container.clickstream)


@pytest.mark.parametrize("mode", MODES)
async def test_both_models_rank_as_the_collection_serves(studio: Studio, shops: Shops, mode: str) -> None:
    collection, asked = shops[mode], groups()
    texts, vectors = await embedded(studio, collection, asked)
    mirror = vectors[1][None]
    adapter = QueryAdapter(down=mirror, up=-2 * mirror.T)  # turns the second query around, and others a bit
    before, after = await preview(studio, collection, asked, adapter=adapter)
    assert before == await evaluator(studio).rank(collection, asked, vectors)
    assert after == await evaluator(studio).rank(collection, asked, adapter.apply(vectors))
    assert (before == after) == (mode == "lexical")
    assert texts[0] != asked[0].text
    assert 0 < len(before[0].found) < 70
    assert len(before[1].found) == (0 if mode == "lexical" else 100)


async def test_words_count_where_they_count_in_searches(studio: Studio, shops: Shops) -> None:
    rankings = {mode: (await preview(studio, shops[mode], groups()))[0] for mode in MODES}
    for one, other in (("hybrid", "vector"), ("hybrid", "lexical")):
        assert rankings[one] != rankings[other]


async def test_of_a_large_collection_a_sample_competes(studio: Studio, shops: Shops) -> None:
    collection, asked = shops["hybrid"], groups()
    before, after = await preview(studio, collection, asked, sample=30)
    assert before == after
    pool = {*asked[0].shown, *(await studio.container.items.sample(collection, limit=30))}
    assert 20 < len(pool) < 60
    assert set(before[1].found) == pool
    everything = await evaluator(studio).rank(collection, asked, (await embedded(studio, collection, asked))[1])
    assert [set(one.shown) for one in before] == [set(one.shown) for one in everything]


async def test_queries_are_trained_on_as_searches_embed_them(studio: Studio, shops: Shops) -> None:
    collection = shops["hybrid"]
    wanted = {"red-sofa": 1.0}
    asked = {str(number): Group(query, wanted, {}, tuple(wanted)) for number, query in enumerate(QUERIES)}
    splits: dict[Split, Sequence[str]] = {"train": sorted(asked), "dev": [], "gate": []}
    dataset = Dataset(0, judge([]), asked, splits, {}, 0)
    materials = await reader_of(studio).read(collection, dataset, collection.model_version)
    texts, vectors = await embedded(studio, collection, list(asked.values()))
    assert list(materials.queries) == texts
    assert texts != QUERIES
    assert materials.plain == pytest.approx(vectors, abs=1e-5)
