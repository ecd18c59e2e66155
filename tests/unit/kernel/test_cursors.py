"""Cursors bring back what went in, and nothing else opens a list."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedding_studio.kernel.cursors import decode_cursor, encode_cursor
from embedding_studio.kernel.errors import InvalidError

texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=512)
fields = st.one_of(texts, st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False, allow_infinity=False))


@given(st.lists(fields, max_size=6))
def test_fields_come_back_as_they_were(values: list[str | float]) -> None:
    cursor = encode_cursor(*values)
    assert decode_cursor(cursor, *map(type, values)) == values
    assert cursor.isascii()
    assert not set(cursor) & set("+/=&?# ")


@given(st.characters(min_codepoint=0x10000))
def test_the_longest_item_id_fits(character: str) -> None:
    cursor = encode_cursor("f" * 16, 2**31, 2**31, 1000, -1.2345678901234567e-300, character * 512)
    assert len(cursor) <= 4096
    assert decode_cursor(cursor, str, int, int, int, float, str)[-1] == character * 512


@given(st.one_of(st.text(), st.binary().map(lambda data: base64.urlsafe_b64encode(data).decode())))
def test_garbage_is_refused(text: str) -> None:
    with pytest.raises(InvalidError) as caught:
        decode_cursor(text, str, int)
    assert caught.value.errors[0].field == "cursor"


@pytest.mark.parametrize(
    ("fields", "types"),
    [
        ('["a"]', (int,)),
        ("[1]", (str,)),
        ("[1]", (float,)),
        ("[true]", (int,)),
        ("[null]", (str,)),
        ("[]", (str,)),
        ("[1, 2]", (int,)),
        ('{"a": 1}', (str,)),
        ('"a"', (str,)),
        ('["\\u0000"]', (str,)),
        ('["\\ud800"]', (str,)),
        ("[NaN]", (float,)),
        ("[1e400]", (float,)),
        (f"[{2**63}]", (int,)),
        ("[" + "1" * 4500 + "]", (int,)),
        ("[" * 2000, (int,)),
    ],
)
def test_other_values_are_refused(fields: str, types: tuple[type, ...]) -> None:
    with pytest.raises(InvalidError):
        decode_cursor(base64.urlsafe_b64encode(fields.encode()).decode(), *types)


def test_a_cursor_that_was_cut_is_refused() -> None:
    cursor = encode_cursor("a" * 100, 5)
    with pytest.raises(InvalidError):
        decode_cursor(cursor[:-7], str, int)
    assert json.loads(base64.urlsafe_b64decode(cursor + "==")) == ["a" * 100, 5]
