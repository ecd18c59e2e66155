"""What is asked of the engines is a share of what ONNX Runtime does alone in the same run."""

import pytest

from embedding_studio.bench.inference import _asked, _rates, _Seen


def seen(rate: float, milliseconds: float) -> _Seen:
    return _Seen([rate / 2, rate, rate * 2], [milliseconds / 1000] * 100)


FOUND = {
    ("bare", 1): seen(400, 3),
    ("bare", 32): seen(450, 150),
    ("bare_batches", 32): seen(900, 20),
    ("in_process", 1): seen(380, 3),
    ("in_process", 32): seen(600, 60),
    ("triton", 1): seen(200, 5),
    ("triton", 32): seen(700, 160),
}


def test_the_engines_are_held_against_what_they_run_on() -> None:
    figures = {f"{one.section}.{one.name}": one for one in _asked(FOUND, with_triton=True)}
    assert {name: one.ok for name, one in figures.items()} == {
        "in_process.share_of_bare_1": True,
        "in_process.share_of_unbatched_32": False,
        "triton.share_of_bare_1": True,
        "triton.share_of_batches_32": False,
        "triton.p99_32_asked": False,
    }
    assert [one.measured for one in figures.values()] == pytest.approx([0.95, 600 / 450, 0.5, 700 / 900, 160])


def test_without_a_triton_nothing_is_asked_of_it() -> None:
    found = {key: one for key, one in FOUND.items() if key[0] != "triton"}
    assert {one.section for one in _asked(found, with_triton=False)} == {"in_process"}


def test_the_rate_is_the_median_of_the_turns() -> None:
    rates = {f"{one.section}.{one.name}": one.measured for one in _rates(FOUND)}
    assert [rates["bare.rate_1"], rates["triton.p99_32"]] == pytest.approx([400, 160])
