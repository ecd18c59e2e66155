"""Words and phrases in texts of any script."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedding_studio.sdk.words import Phrases, fold, replaced, words_of


def found(phrases: Phrases[int], text: str) -> list[tuple[str, int]]:
    return [(text[start:end], value) for start, end, value in phrases.find(text)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Red  SOFA, 2nd-hand!", ["red", "sofa", ",", "2nd", "-", "hand", "!"]),
        ("किताब है", ["किताब", "है"]),
        ("СТОЛ из_дуба", ["стол", "из_дуба"]),
        ("\N{FULLWIDTH LATIN CAPITAL LETTER A}\N{FULLWIDTH LATIN SMALL LETTER B}", ["ab"]),
        (" \t", []),
    ],
)
def test_words_are_what_stands_between_space_and_punctuation(text: str, words: list[str]) -> None:
    assert [word.folded for word in words_of(text)] == words


def test_spellings_that_differ_in_case_or_composition_fold_alike() -> None:
    assert fold("CAFÉ") == fold("cafe\N{COMBINING ACUTE ACCENT}")


@given(st.text(max_size=60))
def test_words_and_space_make_up_the_text(text: str) -> None:
    words = words_of(text)
    assert "".join(text[word.start : word.end] for word in words) == "".join(text.split())
    assert all(before.end <= after.start for before, after in pairwise(words))


def test_the_longest_phrase_wins_and_parts_of_words_do_not() -> None:
    phrases = Phrases({"sofa": 1, "sofa bed": 2, "t-shirt": 3})
    assert found(phrases, "Sofa   Bed, sofas, sofa table, T-SHIRT") == [("Sofa   Bed", 2), ("sofa", 1), ("T-SHIRT", 3)]


def test_phrases_do_not_overlap() -> None:
    assert found(Phrases({"a b": 1, "b c": 2}), "a b c") == [("a b", 1)]


def test_no_phrases_find_nothing() -> None:
    assert found(Phrases({}), "a") == []


@pytest.mark.parametrize("phrase", ["", " ", "word " * 17])
def test_a_phrase_has_one_to_sixteen_words(phrase: str) -> None:
    with pytest.raises(ValueError, match="1 to 16 words"):
        Phrases({phrase: 1})


def test_what_is_replaced_leaves_no_gap_and_the_rest_stays() -> None:
    assert replaced("a  b  c", iter([(3, 4, "x")]), lambda value: value.upper()) == "a X c"
    assert replaced("a b c", iter([(2, 3, "x")]), lambda _: "") == "a c"
    assert replaced("a  b", iter([]), str) == "a  b"
