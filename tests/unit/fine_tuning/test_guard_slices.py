"""Guard slices."""

import numpy as np
import pytest

from embedding_studio.fine_tuning.guard_slices import SliceResult, slice_results


def judged(**changes: list[float]) -> dict[str, SliceResult]:
    return slice_results(changes, resamples=2_000, seed=0)


def around(mean: float, count: int, spread: float = 0.1) -> list[float]:
    noise = np.random.default_rng(count).normal(size=count)
    return list(mean + spread * (noise - noise.mean()) / noise.std())


def test_a_gain_passes_and_a_loss_fails() -> None:
    slices = judged(head=around(0.05, 100), tail=around(-0.05, 100))
    assert (slices["head"].guarded, slices["head"].failed) == (True, False)
    assert (slices["tail"].guarded, slices["tail"].failed) == (True, True)
    assert slices["tail"].delta == pytest.approx(-0.05)


def test_a_loss_that_is_only_not_ruled_out_fails_too() -> None:
    assert judged(tail=around(0.0, 60))["tail"].failed
    assert not judged(tail=around(0.0, 3_000))["tail"].failed


def test_an_unchanged_slice_passes() -> None:
    assert not judged(tail=[0.0] * 50)["tail"].failed


def test_the_weakest_slice_is_held_to_a_plain_bound_and_the_others_to_stricter_ones() -> None:
    slices = judged(weak=around(0.0, 300), middle=around(0.005, 300), strong=around(0.1, 300))
    assert slices["weak"].level == pytest.approx(0.05)
    assert slices["middle"].level == pytest.approx(0.05 / 2)
    assert slices["strong"].level == pytest.approx(0.05 / 3)
    alone = judged(weak=around(0.0, 300))["weak"]
    assert slices["weak"].bound == pytest.approx(alone.bound)


def test_the_bound_is_one_sided() -> None:
    bound = judged(tail=around(0.0, 400))["tail"].bound
    assert bound == pytest.approx(-1.645 * 0.1 / 20, rel=0.1)


@pytest.mark.parametrize("count", [0, 1, 4, 5, 49])
def test_few_groups_without_visible_harm_do_not_block_but_are_not_guarded(count: int) -> None:
    result = judged(curated=around(0.0, count) if count > 1 else [-0.5] * count)["curated"]
    assert (result.guarded, result.failed) == (False, False)
    assert (result.groups, str(count) in result.verdict) == (count, True)


def test_few_groups_with_visible_harm_block() -> None:
    assert judged(curated=around(-0.2, 12))["curated"].failed


def test_few_groups_do_not_change_the_level_of_others() -> None:
    assert judged(head=around(0.05, 100), curated=around(0.0, 10))["head"].level == pytest.approx(0.05)
