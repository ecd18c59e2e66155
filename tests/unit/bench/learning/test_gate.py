"""Short form of `bench learning --only gate`, on vectors drawn at random."""

import numpy as np
import pytest

from embedding_studio.bench.learning.gate import GateWorlds


@pytest.fixture(scope="module")
def worlds() -> GateWorlds:
    """Five hundred queries, each near one of a thousand items."""
    chance = np.random.default_rng(0)
    items = chance.normal(size=(1_000, 32)).astype(np.float32)
    items /= np.linalg.norm(items, axis=1, keepdims=True)
    good = chance.integers(len(items), size=500)
    queries = items[good] + 0.2 * chance.normal(size=(500, 32)).astype(np.float32)
    gains = np.zeros((500, 1_000), np.float32)
    gains[np.arange(500), good] = 1.0
    return GateWorlds.of(queries / np.linalg.norm(queries, axis=1, keepdims=True), items, gains)


def test_models_that_are_no_better_are_refused(worlds: GateWorlds) -> None:
    assert sum(worlds.promoted(300, 0.0, seed) for seed in range(40)) <= 3


def test_a_planted_gain_of_five_points_is_found(worlds: GateWorlds) -> None:
    lean = worlds.lean_for(0.05)
    assert lean > 0
    assert sum(worlds.promoted(400, lean, seed) for seed in range(10)) >= 7
