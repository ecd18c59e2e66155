"""The description of an encoder survives a file."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from embedding_studio.kernel.encoder import EncoderDescription

texts = st.text(st.characters(codec="utf-8"), max_size=20)
descriptions = st.builds(
    EncoderDescription,
    source=texts,
    query_prompt=texts,
    item_prompt=texts,
    pooling=st.sampled_from(["mean", "cls"]),
    max_length=st.integers(1, 8192),
    normalize=st.booleans(),
    dimensions=st.integers(1, 4096),
    tokenizer_sha256=texts,
    graph_sha256=texts,
)


@given(description=descriptions)
def test_a_file_brings_it_back(tmp_path: Path, description: EncoderDescription) -> None:
    description.write(tmp_path / "encoder.json")
    assert EncoderDescription.read(tmp_path / "encoder.json") == description


@given(descriptions)
def test_each_kind_of_text_has_its_prompt(description: EncoderDescription) -> None:
    assert description.prompt("query") == description.query_prompt
    assert description.prompt("item") == description.item_prompt
