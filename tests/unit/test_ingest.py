"""The options of an ingest, as people type them."""

import pytest

from embedding_studio.ingest import read_options
from embedding_studio.kernel.errors import InvalidError


def test_options_are_names_with_values_that_may_hold_anything() -> None:
    assert read_options(["prefix=2024/", "where=a=b", "empty="]) == {"prefix": "2024/", "where": "a=b", "empty": ""}
    assert read_options([]) == {}


@pytest.mark.parametrize("word", ["prefix", ""])
def test_a_word_without_a_value_is_refused(word: str) -> None:
    with pytest.raises(InvalidError, match="name=value"):
        read_options([word])
