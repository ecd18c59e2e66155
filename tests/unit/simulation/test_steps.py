import io

import pytest
from rich.console import Console

from embedding_studio.simulation.steps import Steps


def test_steps_of_one_name_add_up() -> None:
    steps = Steps(Console(file=io.StringIO()))
    for _ in range(2):
        with steps.step("search", "Searching", total=2) as moved:
            moved(1)
    first = steps.seconds["search"]
    assert list(steps.seconds) == ["search"]
    with steps.step("search", "Searching"):
        pass
    assert steps.seconds["search"] > first > 0


def test_a_step_that_fails_is_timed_too() -> None:
    steps = Steps(Console(file=io.StringIO()))
    with pytest.raises(ZeroDivisionError), steps.step("fail", "Failing"):
        _ = 1 / 0
    assert steps.seconds["fail"] > 0
