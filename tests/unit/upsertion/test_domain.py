"""What an item's vectors are made from, and what is stored of them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedding_studio.upsertion.domain import Content, content_hash, parts_of

contents = st.lists(
    st.builds(
        Content,
        text=st.none() | st.text(max_size=3),
        vector=st.none() | st.lists(st.floats(allow_nan=False), max_size=2),
        weight=st.sampled_from([1.0, 2.0]),
    ),
    max_size=3,
)


@given(contents, contents, st.sampled_from(["best", "mean"]), st.sampled_from(["best", "mean"]))
def test_the_hash_tells_apart_what_gives_other_vectors(
    left: list[Content], right: list[Content], of_left: str, of_right: str
) -> None:
    same = (of_left, repr(left)) == (of_right, repr(right))
    assert (content_hash(left, of_left) == content_hash(right, of_right)) == same  # type: ignore[arg-type]


def test_the_hash_sees_images() -> None:
    black, white = (Content(image=np.full((2, 2, 3), value, np.uint8)) for value in (0, 255))
    assert content_hash([black], "best") != content_hash([white], "best")
    assert content_hash([black], "best") == content_hash([Content(image=np.zeros((2, 2, 3), np.uint8))], "best")


def vector(*numbers: float) -> "np.typing.NDArray[np.float32]":
    return np.asarray(numbers, np.float32)


def test_the_best_part_wants_each_part_by_itself() -> None:
    parts = parts_of([Content("a"), Content("b")], [vector(1, 0), vector(0, 1)], "best", "cosine")
    assert [(part.text, part.vector.tolist()) for part in parts] == [("a", [1, 0]), ("b", [0, 1])]


def test_the_mean_weighs_the_parts_and_has_length_one_where_only_the_direction_counts() -> None:
    two = [Content("a", weight=3.0), Content("b")]
    (part,) = parts_of(two, [vector(1, 0), vector(0, 1)], "mean", "cosine")
    assert part.text == "a\nb"
    assert part.vector == pytest.approx(vector(3, 1) / np.sqrt(10), abs=1e-6)
    (part,) = parts_of(two, [vector(1, 0), vector(0, 1)], "mean", "euclidean")
    assert part.vector == pytest.approx(vector(0.75, 0.25))


def test_a_mean_without_direction_is_the_first_vector() -> None:
    (part,) = parts_of([Content("a"), Content("b")], [vector(1, 0), vector(-1, 0)], "mean", "cosine")
    assert part.vector.tolist() == [1, 0]
