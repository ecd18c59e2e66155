"""A quantised encoder beside its twin: what both find."""

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from embedding_studio.fine_tuning.fidelity import FidelityMeter, overlap
from embedding_studio.fine_tuning.gate import Fidelity
from embedding_studio.inference import NewEncoder, OnnxEncoder, QueryAdapter
from embedding_studio.ml.export import export_encoder
from embedding_studio.ml.pairs import Pairs
from embedding_studio.ml.quantise import quantise
from small_encoder import COLORS, NAMES, THINGS, save_small_encoder

pytestmark = pytest.mark.anyio

ITEMS = {f"{color}-{thing}": f"{color} {thing}" for thing in [*THINGS, *NAMES] for color in COLORS}
QUERIES = [f"{word} {name}" for word in ("a", "my") for name in NAMES]


@pytest.fixture(scope="module")
def encoders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("twins")
    for seed, name in enumerate(("exact", "other")):
        export_encoder(save_small_encoder(folder / f"of-{name}", seed=seed), folder / name)
    shutil.copytree(folder / "exact", folder / "int8")
    quantise(folder / "int8")
    return {name: folder / name for name in ("exact", "other", "int8")}


async def measure(
    encoders: dict[str, Path], served: str, *, of_items: bool, queries: int = len(QUERIES), **fields: Any
) -> Fidelity | None:
    vectors = OnnxEncoder.load(encoders["exact"], threads=1).encode(list(ITEMS.values()), "item")
    held = dict(zip(ITEMS, vectors, strict=True))
    known = list(ITEMS)[:3]

    async def sample(_collection: object, *, limit: int) -> dict[str, Any]:
        assert limit == 1_000
        return {item: held[item] for item in list(ITEMS)[1:]}

    async def contents(_collection: object, items: list[str]) -> dict[str, Any]:
        return {item: SimpleNamespace(contents=[SimpleNamespace(text=ITEMS[item])]) for item in items}

    none = Pairs(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float32))
    dev = Pairs(np.array([queries - 1]), np.array([0]), np.ones(1, np.float32))
    materials: Any = SimpleNamespace(
        collection=SimpleNamespace(metric="cosine"),
        queries=[QUERIES[row % len(QUERIES)] for row in range(queries)],
        items=known,
        item_vectors=np.stack([held[item] for item in known]),
        dev=dev,
        dev_shown=none,
    )
    candidate: Any = SimpleNamespace(
        **{"encoder": NewEncoder(encoders[served], of_items=of_items), "twin": encoders["exact"], "adapter": None}
        | fields
    )
    doubles: Any = SimpleNamespace(sample=sample), SimpleNamespace(contents=contents)
    meter = FidelityMeter(items=doubles[0], reader=doubles[1], threads=1, sample=1_000)
    return await meter.measure(materials, candidate)


@pytest.mark.parametrize("of_items", [False, True])
async def test_an_encoder_in_int8_finds_what_its_twin_finds_and_another_does_not(
    encoders: dict[str, Path], of_items: bool
) -> None:
    near = await measure(encoders, "int8", of_items=of_items)
    far = await measure(encoders, "other", of_items=of_items)
    same = await measure(encoders, "exact", of_items=of_items)
    assert near
    assert far
    assert same == Fidelity(top10=1.0, queries=16, items=64)
    assert near.top10 > 0.9
    assert far.top10 < 0.6


async def test_an_adapter_stands_behind_both(encoders: dict[str, Path]) -> None:
    away = QueryAdapter(down=np.eye(32, dtype=np.float32), up=-2 * np.eye(32, dtype=np.float32))
    near = await measure(encoders, "int8", of_items=True, adapter=away)
    assert near
    assert near.top10 > 0.9


async def test_two_hundred_queries_are_asked_at_most(encoders: dict[str, Path]) -> None:
    found = await measure(encoders, "exact", of_items=False, queries=500)
    assert found
    assert found.queries == 200


@pytest.mark.parametrize("fields", [{"twin": None}, {"encoder": None}])
async def test_what_is_not_quantised_has_no_twin(encoders: dict[str, Path], fields: dict[str, Any]) -> None:
    assert await measure(encoders, "exact", of_items=False, **fields) is None


def test_the_overlap_is_that_of_sets() -> None:
    assert overlap(np.array([[1, 2], [3, 4]]), np.array([[2, 1], [4, 5]])) == 0.75
