"""Text parts made of other parts."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedding_studio.kernel.errors import InvalidError
from embedding_studio.sdk.cleaning import Normalise, StripHtml
from embedding_studio.sdk.pieces import JsonFieldSplitter, Text
from embedding_studio.sdk.splitting import SentenceSplitter, TokenSplitter
from embedding_studio.sdk.text import FieldsText, TextPiece, WeightedFields

values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), st.just("<p>&nbsp;<")),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=8,
)
payloads = st.dictionaries(st.sampled_from(["title", "text", "reviews"]) | st.text(max_size=5), values, max_size=6)


@pytest.mark.parametrize(
    ("payload", "texts"),
    [
        ({"reviews": [{"text": "Fine.", "stars": 4}, {"text": "Poor."}]}, ["Fine.", "Poor."]),
        ({"reviews": ["Fine.", " ", 5, None, {"stars": 1}, ["Poor."]]}, ["Fine."]),
        ({"reviews": {"text": "Fine."}, "title": "Sofa"}, []),
        ({"reviews": "Fine."}, []),
        ({}, []),
    ],
)
def test_every_member_of_the_list_is_a_piece(payload: dict[str, Any], texts: list[str]) -> None:
    text_of = JsonFieldSplitter("reviews", of=FieldsText(("text",))).build()
    assert [piece.text for piece in text_of(payload)] == texts


def test_a_text_is_read_then_cleaned_then_split() -> None:
    part = Text(
        of=WeightedFields({"title": 3.0, "text": 1.0}), clean=(StripHtml(), Normalise()), split=SentenceSplitter(15)
    )
    payload = {"title": "Sof\uff41", "text": "<p>Soft &amp; red.</p><p>Three   seats.</p><script>x</script>"}
    assert part.build()(payload) == [
        TextPiece("Sofa", 3.0),
        TextPiece("Soft & red.", 0.5),
        TextPiece("Three seats.", 0.5),
    ]


def test_what_cleaning_leaves_blank_is_no_piece() -> None:
    assert Text(clean=(StripHtml(),)).build()({"title": "<script>let a = 1</script>"}) == []


def test_records_can_be_split_too() -> None:
    part = Text(of=JsonFieldSplitter("reviews"), split=SentenceSplitter(6))
    texts = [piece.text for piece in part.build()({"reviews": ["One. Two.", "Three."]})]
    assert texts == ["One.", "Two.", "Three."]


def test_an_item_beyond_the_limits_is_refused_whole() -> None:
    with pytest.raises(InvalidError, match="more than 3 pieces"):
        Text(split=SentenceSplitter(1), most_pieces=3).build()({"text": "abcd"})
    assert len(Text(split=SentenceSplitter(1), most_pieces=3).build()({"text": "abc"})) == 3
    with pytest.raises(InvalidError, match="more than 2 pieces"):
        JsonFieldSplitter("reviews", most_pieces=2).build()({"reviews": ["a"] * 3})
    with pytest.raises(InvalidError, match="11 characters"):
        Text(max_characters=10).build()({"text": "a" * 11})


def test_a_splitter_without_its_tokenizer_is_noticed_when_it_is_built() -> None:
    with pytest.raises(ValueError, match="tokenizer"):
        Text(split=TokenSplitter(64)).build()


@pytest.mark.parametrize(
    "part",
    [
        Text(clean=(StripHtml(), Normalise(lower=True)), split=SentenceSplitter(10)),
        Text(of=JsonFieldSplitter("reviews")),
        JsonFieldSplitter("title"),
        Text(of=WeightedFields({"title": 2.0, "text": 1.0}), clean=(StripHtml(),)),
    ],
    ids=lambda part: type(part).__name__,
)
@given(payload=payloads)
def test_whatever_the_payload_no_piece_is_blank(part: Text | JsonFieldSplitter, payload: dict[str, Any]) -> None:
    pieces = part.build()(payload)
    assert all(piece.text.strip() and piece.weight > 0 for piece in pieces)


@given(text=st.text(min_size=1, max_size=200), weight=st.floats(0.01, 100))
def test_splitting_keeps_the_weight_of_a_text(text: str, weight: float) -> None:
    pieces = Text(of=WeightedFields({"text": weight}), split=SentenceSplitter(7)).build()({"text": text})
    assert sum(piece.weight for piece in pieces) == pytest.approx(weight if text.strip() else 0)
