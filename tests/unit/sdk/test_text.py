"""Payloads to texts."""

from typing import Any

import pytest

from embedding_studio.sdk.text import FieldsText, TextOf, TextPiece, TextTemplate, WeightedFields


def read(text_of: TextOf, payload: dict[str, Any]) -> list[str]:
    return [piece.text for piece in text_of(payload)]


@pytest.mark.parametrize(
    ("payload", "texts"),
    [
        ({"title": "Sofa", "brand": "Acme"}, ["Sofa"]),
        ({"content": "c", "title": " t ", "name": "n"}, ["t\nn\nc"]),
        ({"title": ["a", ["b"]], "text": {"y": "2", "x": "1"}}, ["a\nb\n1\n2"]),
        ({"brand": "Acme", "colour": "red", "price": 5}, ["Acme\nred"]),
        ({"title": "  ", "brand": "Acme"}, []),
        ({"title": 5, "brand": "Acme"}, ["Acme"]),
        ({"price": 5, "sold": None}, []),
        ({}, []),
    ],
)
def test_named_fields_or_else_all_strings(payload: dict[str, Any], texts: list[str]) -> None:
    assert read(FieldsText().build(), payload) == texts


@pytest.mark.parametrize(
    ("payload", "texts"),
    [
        ({"title": "Heat", "year": 1995}, ["Heat (1995)."]),
        (
            {"title": "Heat", "year": 1995, "cast": ["De Niro", "Pacino", "Kilmer"]},
            ["Heat (1995). With De Niro, Pacino."],
        ),
        ({"title": "Heat", "cast": []}, []),
        ({"cast": "Pacino", "year": ""}, ["With Pacino."]),
        ({"title": "{year}", "year": 1}, ["{year} (1)."]),
        ({"title": None, "year": 1}, []),
    ],
)
def test_a_phrase_whose_field_is_missing_is_left_out(payload: dict[str, Any], texts: list[str]) -> None:
    assert read(TextTemplate(("{title} ({year}).", "With {cast}."), most=2).build(), payload) == texts


@pytest.mark.parametrize("phrase", ["{}", "{0}", "{a.b}", "{a[0]}", "{a!r}", "{a:>5}", "{a-b}", "{", "{a} {"])
def test_a_phrase_that_could_fail_on_a_payload_is_refused(phrase: str) -> None:
    with pytest.raises(ValueError, match=r"phrase|format|brace|expected|Single"):
        TextTemplate((phrase,))


def test_braces_may_be_written_doubled() -> None:
    assert read(TextTemplate(("{{{a}}}",)).build(), {"a": 1}) == ["{1}"]


def test_one_string_is_no_list_of_strings() -> None:
    with pytest.raises(TypeError, match="fields"):
        FieldsText("title")
    with pytest.raises(TypeError, match="phrases"):
        TextTemplate("{title}")


@pytest.mark.parametrize(
    ("payload", "pieces"),
    [
        ({"title": "Sofa", "text": "Soft."}, [TextPiece("Sofa", 3.0), TextPiece("Soft.", 1.0)]),
        ({"text": "Soft.", "brand": "Acme"}, [TextPiece("Soft.", 1.0)]),
        ({"title": ["red", "sofa"], "text": " "}, [TextPiece("red\nsofa", 3.0)]),
        ({"title": 5, "text": None, "brand": "Acme"}, []),
    ],
)
def test_every_field_that_is_present_is_a_piece_of_its_weight(payload: dict[str, Any], pieces: list[TextPiece]) -> None:
    assert WeightedFields({"title": 3.0, "text": 1.0}).build()(payload) == pieces


@pytest.mark.parametrize("weight", [0.0, -1.0, float("nan"), float("inf")])
def test_weights_that_no_mean_can_be_taken_with_are_refused(weight: float) -> None:
    with pytest.raises(ValueError, match="weight"):
        TextPiece("a", weight)
    with pytest.raises(ValueError, match="weight"):
        WeightedFields({"title": weight})


def test_a_part_of_no_fields_and_a_blank_piece_are_refused() -> None:
    with pytest.raises(ValueError, match="fields"):
        WeightedFields({})
    with pytest.raises(ValueError, match="blank"):
        TextPiece(" \n")
