"""A declaration that cannot work is refused where it is written."""

from typing import Any

import pytest

from embedding_studio.sdk import EmbeddingPlugin


@pytest.mark.parametrize("name", ["", "Books", "1books", "boo ks", "books\n", "b" * 64, "bücher", "a/b"])
def test_a_name_that_an_address_could_not_carry_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="name"):
        EmbeddingPlugin(name=name)


@pytest.mark.parametrize(
    "part",
    [
        {"text": "{title}"},
        {"encoder": "all-MiniLM-L6-v2"},
        {"training": {"click": 1.0}},
        {"version": 2},
        {"metric": "manhattan"},
    ],
)
def test_a_part_of_another_kind_is_refused(part: dict[str, Any]) -> None:
    with pytest.raises((TypeError, ValueError), match=next(iter(part))):
        EmbeddingPlugin(name="books", **part)


def test_without_an_encoder_items_bring_their_vectors() -> None:
    assert EmbeddingPlugin(name="books", encoder=None).gives_vectors
    assert not EmbeddingPlugin(name="books").gives_vectors
