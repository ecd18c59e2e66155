"""What an item's vectors are made from."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedding_studio.sdk import FieldsText
from embedding_studio.tasks import FailedItem
from embedding_studio.upsertion.domain import NewItem, PreparedItem, StagedItem, content_hash, prepare

texts = st.lists(st.none() | st.text(), max_size=4)
vectors = st.none() | st.lists(st.floats(allow_nan=False), max_size=4)


@given(texts, vectors, texts, vectors)
def test_the_hash_is_of_texts_and_vector(
    left: list[str | None], left_vector: list[float] | None, right: list[str | None], right_vector: list[float] | None
) -> None:
    same = repr((left, left_vector)) == repr((right, right_vector))
    assert (content_hash(left, left_vector) == content_hash(right, right_vector)) == same


def staged(payload: dict[str, Any], vector: Sequence[float] | None = None) -> StagedItem:
    return StagedItem(7, 0, NewItem("a", payload, vector=vector))


def test_only_what_is_embedded_changes_the_hash() -> None:
    text_of = FieldsText(("title",)).build()
    before, after = (prepare(staged({"title": "sofa", "price": price}), text_of) for price in (1, 2))
    assert isinstance(before, PreparedItem)
    assert isinstance(after, PreparedItem)
    assert before.content_hash == after.content_hash
    assert before.texts == ["sofa"]


def test_an_item_that_says_nothing_fails_and_one_with_a_vector_does_not() -> None:
    text_of = FieldsText().build()
    assert prepare(staged({"price": 1}), text_of) == FailedItem("a", "split", "the payload has no text")
    given_vector = prepare(staged({"price": 1}, [1.0]), text_of)
    assert isinstance(given_vector, PreparedItem)
    assert given_vector.texts == [None]


@pytest.mark.parametrize("error", [KeyError("x"), ValueError("y" * 100_000), RecursionError()])
def test_a_plugin_that_raises_fails_its_item_alone_and_briefly(error: Exception) -> None:
    def text_of(_payload: object) -> list[str]:
        raise error

    failed = prepare(staged({}), text_of)
    assert isinstance(failed, FailedItem)
    assert (failed.id, failed.stage) == ("a", "split")
    assert failed.reason.startswith(type(error).__name__)
    assert len(failed.reason) <= 500
