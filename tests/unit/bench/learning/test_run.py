import pytest

from embedding_studio.bench.learning.run import SECTIONS, chosen_sections
from embedding_studio.kernel.errors import InvalidError


def test_all_but_the_sections_of_an_hour_are_measured_if_none_is_named() -> None:
    assert chosen_sections([]) == [name for name in SECTIONS if not name.endswith("_encoders")]


def test_named_sections_alone_are_measured() -> None:
    assert chosen_sections(["scifact"]) == ["scifact"]


def test_an_unknown_section_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(InvalidError, match="no section luck; there are: scifact"):
        chosen_sections(["luck"])
