"""Query processors: small, pure, and content with any text."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedding_studio.sdk.patterns import FieldPrefix, NumberPhrases
from embedding_studio.sdk.query import Expand, Rewrite, Spelling, SplitFilters
from embedding_studio.sdk.ranking import QueryDraft, QueryProcessorPart

PARTS: list[QueryProcessorPart] = [
    Rewrite({"sofa bed": "sleeper sofa", "cheap": ""}),
    Expand({"sofa": ("couch", "settee")}),
    Spelling({"leather": 5, "sofa": 3, "table": 2}, distance=2),
    SplitFilters([NumberPhrases("price"), FieldPrefix("brand")]),
]


def text_after(part: QueryProcessorPart, text: str) -> str:
    return part.build()(QueryDraft(text)).text


@given(st.text() | st.text(st.sampled_from("sofa bed cheap tabel under brand:12.,\0"), max_size=60))
def test_every_part_takes_any_text_and_does_the_same_again(text: str) -> None:
    for part in PARTS:
        first, again = part.build(), part.build()
        assert first(QueryDraft(text)) == first(QueryDraft(text)) == again(QueryDraft(text))


@pytest.mark.parametrize("part", PARTS)
def test_a_text_without_anything_to_do_stays_as_it_is(part: QueryProcessorPart) -> None:
    draft = QueryDraft(" oak,  1920s ", ("wood",), ({"field": "a", "eq": 1},))
    assert part.build()(draft) == draft


def test_phrases_are_rewritten_and_not_read_again() -> None:
    swap = Rewrite({"a b": "b a", "b a": "a b"})
    assert text_after(swap, "x A  b y") == "x b a y"
    assert text_after(PARTS[0], "cheap Sofa bed!") == "sleeper sofa!"
    assert text_after(PARTS[0], "cheaper sofa beds") == "cheaper sofa beds"


def test_expansions_leave_the_text_and_come_once() -> None:
    expand = Expand({"sofa": ("couch", "settee"), "leather sofa": ("chesterfield",), "seat": ("couch",)}).build()
    draft = expand(QueryDraft("Leather sofa, sofa and seat", ("couch",)))
    assert draft == QueryDraft("Leather sofa, sofa and seat", ("couch", "chesterfield", "settee"))


def test_a_query_gets_32_expansions_and_keeps_those_it_has() -> None:
    expand = Expand({"a": [f"word {n}" for n in range(50)]}).build()
    assert len(expand(QueryDraft("a")).expansions) == 32
    many = tuple(map(str, range(40)))
    assert expand(QueryDraft("a", many)).expansions == many


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("Laether, sofa", "leather, sofa"),
        ("tabel", "table"),
        ("lethre sfoa", "leather sofa"),
        ("sooaa", "sooaa"),
        ("tble5 sof", "tble5 sof"),
        ("wardrobe", "wardrobe"),
    ],
)
def test_unknown_words_become_the_nearest_known(text: str, right: str) -> None:
    assert text_after(Spelling({"leather": 5, "sofa": 3, "table": 2}, distance=2), text) == right


def test_of_equally_near_words_the_most_frequent_is_taken_then_the_first() -> None:
    assert text_after(Spelling({"cart": 1, "card": 9}), "carx") == "card"
    assert text_after(Spelling(["cart", "card", "care"]), "carx") == "card"


def test_a_nearer_word_is_taken_whatever_the_frequencies() -> None:
    assert text_after(Spelling({"letters": 100, "leather": 1}, distance=2), "leathers") == "leather"


def test_words_come_as_the_vocabulary_spells_them() -> None:
    assert text_after(Spelling({"iPhone", "Straße"}), "ipohne strase") == "iPhone Straße"
    assert text_after(Spelling({"iPhone"}), "IPHONE") == "IPHONE"


def test_eight_unknown_words_are_looked_up() -> None:
    words = [f"{letter * 5}" for letter in "abcdefghij"]
    wrong = " ".join(word[:-1] + "z" for word in words)
    assert text_after(Spelling(words), wrong) == " ".join([*words[:8], "iiiiz", "jjjjz"])


def test_an_empty_vocabulary_corrects_nothing() -> None:
    assert text_after(Spelling([]), "anything") == "anything"


def test_filters_are_added_to_those_there_are() -> None:
    first = {"field": "stock", "gt": 0}
    split = SplitFilters([NumberPhrases("price"), FieldPrefix("brand")]).build()
    assert split(QueryDraft("sofa brand:acme under 500", (), (first,))) == QueryDraft(
        "sofa", (), (first, {"field": "price", "lt": 500}, {"field": "brand", "eq": "acme"})
    )


def odd(value: object) -> Any:
    return value


@pytest.mark.parametrize(
    "make",
    [
        lambda: Spelling("sofa"),
        lambda: Expand({"sofa": "couch"}),
    ],
)
def test_a_single_string_is_no_list_of_words(make: Any) -> None:
    with pytest.raises(TypeError, match="one string"):
        make()


@pytest.mark.parametrize("make", [lambda: Rewrite({" ": "a"}), lambda: Expand({"": ("a",)})])
def test_a_blank_phrase_is_refused(make: Any) -> None:
    with pytest.raises(ValueError, match="1 to 16 words"):
        make()


def test_distances_are_one_and_two() -> None:
    with pytest.raises(ValueError, match="distance"):
        Spelling(["a"], distance=odd(3))
