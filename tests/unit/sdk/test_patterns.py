"""Conditions that are read out of a query's words."""

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedding_studio.sdk.patterns import FieldPrefix, FilterPattern, NumberPhrases, cut
from embedding_studio.vector_store import parse_filter

PRICE = NumberPhrases("price", names=("price", "priced"), units=("$", "usd", "€"))
PATTERNS: list[FilterPattern] = [
    PRICE,
    NumberPhrases("weight", units=("kg",), needs_unit=True),
    FieldPrefix("brand"),
    FieldPrefix("year", number=True),
]


def read(pattern: FilterPattern, text: str) -> tuple[str, list[Any]]:
    every: list[Any] = []
    for reader in pattern.build():
        text, found = cut(text, reader)
        every += [{name: value for name, value in tree.items() if name != "field"} for tree in found]
    return text, every


@pytest.mark.parametrize(
    ("text", "left", "conditions"),
    [
        ("sofa under 500", "sofa", [{"lt": 500}]),
        ("Below $1,500.50 sofa", "sofa", [{"lt": 1500.5}]),
        ("sofa over 20 usd", "sofa", [{"gt": 20}]),
        ("sofa priced at most 20€", "sofa", [{"lte": 20}]),
        ("no  more than 5", "", [{"lte": 5}]),
        ("not under 5 chairs", "chairs", [{"gte": 5}]),
        ("between 20 and 10 chairs", "chairs", [{"gte": 10, "lte": 20}]),
        ("chairs from $10 to $20.5", "chairs", [{"gte": 10, "lte": 20.5}]),
        ("sofa >=3 <4", "sofa", [{"gte": 3}, {"lt": 4}]),
        ("under 0", "", [{"lt": 0}]),
    ],
)
def test_limits_and_ranges_are_read(text: str, left: str, conditions: list[Any]) -> None:
    assert read(PRICE, text) == (left, conditions)


@pytest.mark.parametrize(
    "text",
    [
        "thunder 500",
        "under the sofa",
        "under 500.5.5",
        "under 1,5",
        "under 500gb",
        "under \N{ARABIC-INDIC DIGIT FIVE}",
        "between 10 or 20",
        "sofa 500",
        "under  " + " " * 9 + "500",
        "under 1234567890123456",
    ],
)
def test_what_only_looks_alike_stays(text: str) -> None:
    assert read(PRICE, text) == (text, [])


def test_a_unit_may_be_needed() -> None:
    weight = NumberPhrases("weight", units=("kg", "kilos"), needs_unit=True)
    assert read(weight, "bag under 5 kg under 20") == ("bag under 20", [{"lt": 5}])
    assert read(weight, "between 2 kilos and 3kg") == ("", [{"gte": 2, "lte": 3}])


@pytest.mark.parametrize(
    ("pattern", "text", "left", "conditions"),
    [
        (FieldPrefix("brand"), "sofa brand:acme, red", "sofa red", [{"eq": "acme"}]),
        (FieldPrefix("brand"), 'BRAND: "Acme & Sons" sofa', "sofa", [{"eq": "Acme & Sons"}]),
        (FieldPrefix("brand"), "rebrand:acme brand:", "rebrand:acme brand:", []),
        (FieldPrefix("brand"), "brand:,", "brand:,", []),
        (FieldPrefix("maker.name", name="by"), "sofa by:acme", "sofa", [{"eq": "acme"}]),
        (FieldPrefix("brand", values=("Acme",)), "brand:ACME brand:zed", "brand:zed", [{"eq": "Acme"}]),
        (FieldPrefix("year", number=True), "year:1,999 year:x year:2.5", "year:x", [{"eq": 1999}, {"eq": 2.5}]),
    ],
)
def test_a_field_may_be_named(pattern: FilterPattern, text: str, left: str, conditions: list[Any]) -> None:
    assert read(pattern, text) == (left, conditions)


def test_one_pattern_reads_sixteen_conditions_at_most() -> None:
    assert len(read(FieldPrefix("a"), "a:1 " * 20)[1]) == 16


@given(st.text(st.sampled_from('under between and from to $,. :"0123456789kgbrandyear\n'), max_size=80) | st.text())
def test_any_text_gives_filters_that_hold(text: str) -> None:
    for pattern in PATTERNS:
        for reader in pattern.build():
            text, trees = cut(text, reader)
            for tree in trees:
                parse_filter(dict(tree))


@pytest.mark.parametrize(
    "unit", ["under ", "between 1 and ", "1", "1,", "under 1,", "brand:", 'brand:"', " ", "<", "price under ", "$"]
)
def test_no_text_makes_an_expression_slow(unit: str) -> None:
    """The least of three: garbage of other tests may be collected meanwhile."""
    text = unit * (10_000 // len(unit))

    def seconds() -> float:
        started = time.thread_time()
        for pattern in PATTERNS:
            read(pattern, text)
        return time.thread_time() - started

    assert min(seconds() for _ in range(3)) < 1


@pytest.mark.parametrize("fields", [{"under": ("",)}, {"between": (("from", " "),)}, {"names": (" ",)}])
def test_blank_words_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="blank"):
        NumberPhrases("price", **fields)


def test_a_unit_that_is_needed_is_named() -> None:
    with pytest.raises(ValueError, match="units"):
        NumberPhrases("price", needs_unit=True)


def test_a_single_string_is_no_list_of_words() -> None:
    with pytest.raises(TypeError, match="one string"):
        FieldPrefix("brand", values="Acme")


def test_words_may_be_of_another_language() -> None:
    pattern = NumberPhrases("price", under=("unter",), at_most=(), over=(), at_least=(), between=(("von", "bis"),))
    assert read(pattern, "Sofa unter 500 von 1 bis 2 under 3") == ("Sofa under 3", [{"gte": 1, "lte": 2}, {"lt": 500}])
