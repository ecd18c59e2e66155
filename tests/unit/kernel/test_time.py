"""Times are what MongoDB gives back."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedding_studio.kernel.errors import InvalidError
from embedding_studio.kernel.time import now, read_time


def test_the_time_is_in_utc_and_has_milliseconds_only() -> None:
    before, moment, after = datetime.now(UTC), now(), datetime.now(UTC)
    assert before - timedelta(milliseconds=1) < moment <= after
    assert moment.tzinfo is UTC
    assert moment.microsecond % 1000 == 0


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-31T12:00:00Z", datetime(2026, 1, 31, 12, tzinfo=UTC)),
        ("2026-01-31T12:00:00.123987+02:00", datetime(2026, 1, 31, 10, 0, 0, 123_000, tzinfo=UTC)),
    ],
)
def test_a_time_is_read_with_its_offset(text: str, moment: datetime) -> None:
    assert read_time(text, "since") == moment


@given(text=st.text() | st.sampled_from(["", "now", "2026-01-31", "2026-01-31T12:00", "0001-01-01T00:00:00+14:00"]))
def test_what_is_no_time_is_refused_by_its_place(text: str) -> None:
    with pytest.raises(InvalidError, match=r"^since: must be a time"):
        read_time(text, "since")
