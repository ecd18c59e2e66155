"""What the doctor says of disks."""

from pathlib import Path

import pytest

from embedding_studio.doctor.machine import judge_disk

from .wrong import wrong


@pytest.mark.parametrize(
    ("free", "is_writable", "severities"),
    [(10 << 30, True, []), (2 << 30, True, ["warn"]), (1 << 20, True, ["bad"]), (10 << 30, False, ["bad"])],
)
def test_a_disk_that_is_full_or_closed_is_found(free: int, is_writable: bool, severities: list[str]) -> None:
    assert [one for one, _ in wrong(judge_disk(Path("data"), free, is_writable=is_writable))] == severities
