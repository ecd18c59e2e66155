"""What no database of ours can hold is refused, at its place."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedding_studio.kernel.errors import InvalidError
from embedding_studio.kernel.storable import refuse_unstorable

keys = st.text(st.characters(exclude_characters="\0$"), max_size=4)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
    st.text(st.characters(exclude_characters="\0")),
    st.datetimes(min_value=datetime(1900, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001  # hypothesis wants it naive
)
values = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(keys, inner), max_leaves=20)


@given(values)
def test_everything_else_passes(value: Any) -> None:
    refuse_unstorable(value, "payload", in_document=True)


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ("a\0", "p"),
        (2**63, "p"),
        (-(2**63) - 1, "p"),
        ({"a": [1, {"b": "\0"}]}, "p.a[1].b"),
        ({"a": {"b\0": 1}}, "p.a (a key)"),
        ([[2**64]], "p[0][0]"),
        (datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14))), "p"),
        (datetime(9999, 12, 31, 23, tzinfo=timezone(-timedelta(hours=14))), "p"),
    ],
)
def test_what_is_wrong_is_named(value: Any, place: str) -> None:
    with pytest.raises(InvalidError) as caught:
        refuse_unstorable(value, "p")
    assert caught.value.errors[0].field == place


def test_depth_is_bounded() -> None:
    value: Any = 1
    for _ in range(64):
        value = [value]
    refuse_unstorable(value, "p")
    with pytest.raises(InvalidError, match="64 levels"):
        refuse_unstorable([value], "p")


def test_a_document_has_no_key_that_mongodb_reads_as_a_reference() -> None:
    refuse_unstorable({"$ref": "a"}, "payload")
    with pytest.raises(InvalidError) as caught:
        refuse_unstorable({"a": [{"$ref": "a"}]}, "meta", in_document=True)
    assert caught.value.errors[0].field == "meta.a[0].$ref"
