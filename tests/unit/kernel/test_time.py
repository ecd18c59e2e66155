"""Times are what MongoDB gives back."""

from datetime import UTC, timedelta

from embedding_studio.kernel.time import now


def test_the_time_is_in_utc_and_has_milliseconds_only() -> None:
    before, moment, after = now(), now(), now()
    assert before <= moment <= after
    assert moment.tzinfo is UTC
    assert moment.microsecond % 1000 == 0
    assert after - before < timedelta(seconds=1)
