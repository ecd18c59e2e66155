"""Values and keys as JSON."""

import json
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedding_studio.infra.loaders.keys import Key, key_from, key_of
from embedding_studio.infra.loaders.values import to_json
from embedding_studio.kernel.errors import InvalidError

SOME = UUID(int=1)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Decimal("12.99"), 12.99),
        (Decimal(5), 5),
        (Decimal("0.1234567890123456789"), "0.1234567890123456789"),
        (Decimal("NaN"), None),
        (float("inf"), None),
        (datetime(2024, 2, 29, 12, tzinfo=timezone(timedelta(hours=2))), "2024-02-29T10:00:00Z"),
        (datetime(2024, 2, 29, 12), "2024-02-29T12:00:00Z"),  # noqa: DTZ001  # as a database gives it
        (date(2024, 2, 29), "2024-02-29"),
        (time(12, 30), "12:30:00"),
        (timedelta(minutes=1), 60.0),
        (SOME, str(SOME)),
        (b"abc", "YWJj"),
        ({"a": (Decimal(1), [True, None, "x"])}, {"a": [1, [True, None, "x"]]}),
    ],
)
def test_what_json_lacks_is_converted(value: Any, expected: Any) -> None:
    assert to_json(value) == expected


def test_a_type_nobody_knows_is_refused() -> None:
    with pytest.raises(TypeError, match="complex"):
        to_json(1j)


@given(
    st.one_of(
        st.text(),
        st.integers(),
        st.binary(),
        st.dates(),
        st.uuids(),
        st.datetimes(timezones=st.none() | st.just(UTC)),
        st.decimals(allow_nan=False),
    )
)
def test_a_key_comes_back_as_it_was(key: Key) -> None:
    again = key_from(json.loads(json.dumps(key_of(key))), "cursor")

    assert (type(again), again) == (type(key), key)


@pytest.mark.parametrize("key", [None, True, 1.5, [1]])
def test_a_key_of_another_type_is_refused(key: Any) -> None:
    with pytest.raises(InvalidError, match="key"):
        key_of(key)


@pytest.mark.parametrize(
    "written", [{}, {"type": "int", "key": "x"}, {"type": "os", "key": "1"}, {"type": [], "key": 1}]
)
def test_a_key_that_was_not_written_here_is_refused(written: dict[str, Any]) -> None:
    with pytest.raises(InvalidError, match="cursor"):
        key_from(written, "cursor")
