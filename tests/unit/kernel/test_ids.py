"""Identifiers sort by time and do not meet."""

import re
import time

import pytest

from embedding_studio.kernel.ids import new_id


def test_ids_are_hexadecimal_and_differ() -> None:
    ids = {new_id() for _ in range(10_000)}
    assert len(ids) == 10_000
    assert all(re.fullmatch("[0-9a-f]{32}", one) for one in ids)


def test_ids_sort_by_the_millisecond_they_were_made_in(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    for milliseconds in (1, 1_000_000_000_000, 2_000_000_000_000, 2_000_000_000_001):
        monkeypatch.setattr(time, "time_ns", lambda value=milliseconds * 1_000_000: value)
        made.append(new_id())
    assert made == sorted(made)
