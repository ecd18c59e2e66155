"""Payloads to texts."""

from typing import Any

import pytest

from embedding_studio.sdk import FieldsText, TextTemplate


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
    assert FieldsText().build()(payload) == texts


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
    assert TextTemplate(("{title} ({year}).", "With {cast}."), most=2).build()(payload) == texts


@pytest.mark.parametrize("phrase", ["{}", "{0}", "{a.b}", "{a[0]}", "{a!r}", "{a:>5}", "{a-b}", "{", "{a} {"])
def test_a_phrase_that_could_fail_on_a_payload_is_refused(phrase: str) -> None:
    with pytest.raises(ValueError, match=r"phrase|format|brace|expected|Single"):
        TextTemplate((phrase,))


def test_braces_may_be_written_doubled() -> None:
    assert TextTemplate(("{{{a}}}",)).build()({"a": 1}) == ["{1}"]


def test_one_string_is_no_list_of_strings() -> None:
    with pytest.raises(TypeError, match="fields"):
        FieldsText("title")
    with pytest.raises(TypeError, match="phrases"):
        TextTemplate("{title}")
