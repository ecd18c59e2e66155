"""Every shipped plugin conforms, whatever the payload."""

import ast
import time
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from embedding_studio.clickstream import EventType
from embedding_studio.infra.shipped import shipped
from embedding_studio.kernel.errors import InvalidError
from embedding_studio.sdk import (
    CrossEncoderRerank,
    EmbeddingPlugin,
    EventGains,
    FieldsText,
    QueryDraft,
    Ranking,
    find_plugins,
)
from embedding_studio.sdk.conformance import EVENT_TYPES, check
from embedding_studio.sdk.encoder import ClipEncoder, SentenceEncoder
from embedding_studio.sdk.images import ImageFields
from embedding_studio.sdk.pieces import Text
from embedding_studio.sdk.splitting import TokenSplitter
from embedding_studio.sdk.text import TextPiece

FILES = sorted(shipped("plugins").glob("*.py"))
PLUGINS = find_plugins(shipped("plugins")).working()
CALLS = count()
films = ["title", "name", "text", "year", "genres", "countries", "cast", "directors", "oscars"]
goods = ["price", "brand", "sold", "added_at"]
known = st.sampled_from(films + goods)
names = known | st.text(max_size=5)
values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=20)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=8,
)


def test_the_shipped_plugins_are_there() -> None:
    assert {plugin.name for plugin in PLUGINS} >= {"movies", "shop", "text", "vectors"}


@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda plugin: plugin.name)
@settings(max_examples=20)
@given(payloads=st.lists(st.dictionaries(names, values, max_size=6), min_size=1, max_size=10))
def test_a_plugin_conforms(plugin: EmbeddingPlugin, payloads: list[dict[str, Any]]) -> None:
    check(plugin, payloads=payloads)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_plugin_imports_the_sdk_alone_and_is_short(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    imported = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Import | ast.ImportFrom)]
    assert all(isinstance(node, ast.ImportFrom) and node.module == "embedding_studio.sdk" for node in imported)
    assert len(source.splitlines()) < 40


def test_gains_are_tried_with_every_type_of_event() -> None:
    assert set(EVENT_TYPES) == set(get_args(EventType))


def giving(text_of: Any) -> EmbeddingPlugin:
    class Part(FieldsText):
        def build(self, tokenizer: Tokenizer | None = None) -> Any:
            assert tokenizer is not None
            return text_of

    return EmbeddingPlugin(name="odd", text=Part())


@pytest.mark.parametrize(
    ("text_of", "wrong"),
    [
        (lambda _payload: ["a string"], "list of TextPiece"),
        (lambda _payload: None, "list of TextPiece"),
        (lambda _payload: [TextPiece(" ")], "must not be blank"),
        (lambda payload: [TextPiece(payload["title"])], "KeyError"),
        (lambda payload: payload.update(seen=True) or [], "changes the payload"),
        (lambda _payload: [TextPiece(f"call {next(CALLS)}")], "the second time"),
    ],
)
def test_text_that_is_not_what_was_agreed_does_not_conform(text_of: Any, wrong: str) -> None:
    with pytest.raises(InvalidError, match=wrong):
        check(giving(text_of), payloads=[{}])


def test_images_conform_too() -> None:
    pictures = EmbeddingPlugin(name="pictures", text=None, images=ImageFields(), encoder=ClipEncoder())
    check(pictures, payloads=[{"image": "?"}, {}])

    class Part(ImageFields):
        def build(self) -> Any:
            return lambda _payload, _source: [b"pixels"]

    with pytest.raises(InvalidError, match="list of ImageRef"):
        check(EmbeddingPlugin(name="pictures", images=Part(), encoder=ClipEncoder()), payloads=[{}])


def test_a_splitter_must_reckon_with_the_prompt_of_the_encoder() -> None:
    encoder = SentenceEncoder(item_prompt="passage: ")
    fitting = Text(split=TokenSplitter(64, prompt="passage: "))
    check(EmbeddingPlugin(name="a", encoder=encoder, text=fitting), payloads=[{"title": "word " * 200}])
    with pytest.raises(InvalidError, match="prompt"):
        check(EmbeddingPlugin(name="a", encoder=encoder, text=Text(split=TokenSplitter(64))), payloads=[])


def test_a_payload_may_be_refused() -> None:
    def refuse(_payload: object) -> list[TextPiece]:
        raise InvalidError("too long")

    check(giving(refuse), payloads=[{}])


def test_text_that_cannot_be_built_does_not_conform() -> None:
    class Unbuildable(FieldsText):
        def build(self, tokenizer: Tokenizer | None = None) -> Any:
            raise ValueError(f"size is above what {type(tokenizer).__name__} takes")

    with pytest.raises(InvalidError, match="above what Tokenizer takes"):
        check(EmbeddingPlugin(name="unbuildable", text=Unbuildable()), payloads=[])


def test_a_gain_out_of_range_does_not_conform() -> None:
    class Loud(EventGains):
        def build(self) -> Any:
            return lambda _kind, _value: 2.0

    with pytest.raises(InvalidError, match="training"):
        check(EmbeddingPlugin(name="loud", training=Loud()), payloads=[{}])


def processing(process: Any) -> EmbeddingPlugin:
    class Part:
        def build(self) -> Any:
            return process

    return EmbeddingPlugin(name="odd", ranking=Ranking(query=(Part(),)))


def busy(draft: QueryDraft) -> QueryDraft:
    started = time.thread_time()
    while time.thread_time() - started < 0.6:
        pass
    return draft


@pytest.mark.parametrize(
    ("process", "wrong"),
    [
        (lambda draft: draft.text, "must give a QueryDraft"),
        (lambda draft: replace(draft, text=None), "must give a QueryDraft"),
        (lambda draft: replace(draft, text=f"call {next(CALLS)}"), "the second time"),
        (lambda draft: replace(draft, text=draft.text.split()[0]), "IndexError"),
        (busy, "takes"),
    ],
)
def test_a_processor_that_is_not_what_was_agreed_does_not_conform(process: Any, wrong: str) -> None:
    with pytest.raises(InvalidError, match=wrong):
        check(processing(process), payloads=[])


def boosting(share_of: Any) -> EmbeddingPlugin:
    class Part:
        name = "own"
        cap = 0.5

        def build(self) -> Any:
            return share_of

    return EmbeddingPlugin(name="odd", ranking=Ranking(rankers=(Part(),)))


@pytest.mark.parametrize(
    ("share_of", "wrong"),
    [
        (lambda _payload, _now: 0.6, "from -0.5 to 0.5"),
        (lambda _payload, _now: float("nan"), "from -0.5 to 0.5"),
        (lambda _payload, _now: "much", "from -0.5 to 0.5"),
        (lambda payload, _now: payload["price"], "KeyError"),
        (lambda payload, _now: payload.update(seen=True) or 0, "changes the payload"),
        (lambda _payload, _now: 0.5 / (next(CALLS) + 2), "the second time"),
    ],
)
def test_a_boost_that_is_not_what_was_agreed_does_not_conform(share_of: Any, wrong: str) -> None:
    with pytest.raises(InvalidError, match=wrong):
        check(boosting(share_of), payloads=[{}])


def test_a_cross_encoder_needs_no_model_to_conform() -> None:
    ranking = Ranking(rankers=(CrossEncoderRerank(model="cross-encoder/none"),))
    check(EmbeddingPlugin(name="reranked", ranking=ranking), payloads=[{"title": "a"}])
