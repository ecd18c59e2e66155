"""What the doctor says of clocks."""

from datetime import UTC, datetime, timedelta

import pytest

from embedding_studio.doctor.clocks import check_clock

from .wrong import wrong

NOW = datetime(2026, 1, 31, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "severities"), [(0.3, []), (-0.3, []), (3, ["warn"]), (-3, ["warn"]), (60, ["bad"]), (-60, ["bad"])]
)
def test_clocks_that_differ_are_found(seconds: float, severities: list[str]) -> None:
    found = wrong(check_clock("redis", NOW + timedelta(seconds=seconds), NOW))
    assert [one for one, _ in found] == severities
    assert all(("ahead" if seconds > 0 else "behind") in text for _, text in found)
