"""Where an encoder is kept."""

import re

from hypothesis import given
from hypothesis import strategies as st

from embedding_studio.sdk.encoder import ClipEncoder, EncoderSource, SentenceEncoder

kinds = st.sampled_from(["text", "clip"])
sources = st.builds(EncoderSource, model=st.text(), query_prompt=st.text(), item_prompt=st.text(), kind=kinds)


@given(sources, sources)
def test_different_sources_have_different_folders(left: EncoderSource, right: EncoderSource) -> None:
    assert (left.key == right.key) == (left == right)


@given(sources)
def test_a_folder_name_is_safe(source: EncoderSource) -> None:
    assert re.fullmatch(r"[a-zA-Z0-9-]+", source.key)


def test_a_hub_id_stays_readable() -> None:
    assert SentenceEncoder("org/model.v2", "query: ").build().key.startswith("org-model-v2-")


def test_prompts_cannot_be_mistaken_for_each_other() -> None:
    assert SentenceEncoder("m", "a", "b").build().key != SentenceEncoder("m", "b", "a").build().key


def test_one_model_is_kept_apart_by_its_kind() -> None:
    text, clip = SentenceEncoder("m").build(), ClipEncoder("m").build()
    assert (text.kind, clip.kind) == ("text", "clip")
    assert text.key != clip.key


def test_exports_of_earlier_releases_are_still_found() -> None:
    assert SentenceEncoder().build().key == "all-MiniLM-L6-v2-5e50cb97c89c"
