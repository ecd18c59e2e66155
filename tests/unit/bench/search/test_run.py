import pytest

from embedding_studio.bench.search.run import SECTIONS, chosen_sections
from embedding_studio.kernel.errors import InvalidError


def test_all_sections_but_the_million_are_measured_if_none_is_named() -> None:
    assert chosen_sections([]) == [name for name in SECTIONS if name != "million"]


def test_named_sections_are_measured_in_their_own_order() -> None:
    assert chosen_sections(["million", "vectors"]) == ["vectors", "million"]


def test_an_unknown_section_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(InvalidError, match="no section speed; there are: vectors"):
        chosen_sections(["speed"])
