"""What every plugin must keep to. Run it in the tests of your own plugin.

Example:
    ::

        from embedding_studio.sdk.conformance import check
        from my_plugins.books import plugin

        def test_the_plugin_conforms():
            check(plugin, payloads=[{"title": "Emma", "author": "Jane Austen"}, {}])
"""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from copy import deepcopy
from datetime import UTC, datetime
from functools import partial
from typing import Any

from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from embedding_studio.kernel.errors import InvalidError
from embedding_studio.sdk.images import ImageFields, ImageRef
from embedding_studio.sdk.pieces import Text, TextPart
from embedding_studio.sdk.plugin import EmbeddingPlugin
from embedding_studio.sdk.rankers import BoostPart, CrossEncoderRerank, ShareOf
from embedding_studio.sdk.ranking import ProcessQuery, QueryDraft, QueryProcessorPart
from embedding_studio.sdk.splitting import TokenSplitter
from embedding_studio.sdk.text import TextPiece

__all__ = ["EVENT_TYPES", "ODD_TEXTS", "check"]

EVENT_TYPES = ("click", "view", "dwell", "like", "dismiss", "cart", "purchase", "report")

ODD_TEXTS = (
    "red sofa",
    "",
    " \t\n",
    "ÜNÏCODE \N{PILE OF POO} \ud800 \0",
    '"brand:" price: under over 5 between and 1,000,000.5 or "',
    "(((([[[[***+++???\\\\",
    "1234567890" * 100,
    "under between 1 and brand: " * 370,
)
"""Queries that processors are tried with."""

_SLOWEST_S = 0.5
_NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)

_Make = Callable[[Mapping[str, Any]], object]


def check(
    plugin: EmbeddingPlugin, *, payloads: Iterable[Mapping[str, Any]], tokenizer: Tokenizer | None = None
) -> None:
    """Build all parts of the plugin and try them.

    Args:
        plugin: The plugin.
        payloads: Such as its items have; odd ones are welcome. To refuse one with InvalidError conforms.
        tokenizer: The model's own, for plugins that split by tokens; one token a word if not given.

    Raises:
        InvalidError: A part does not keep to its contract; says which.
    """
    _check_encoder(plugin)
    _check_gains(plugin)
    _check_prompt(plugin)
    for processor in plugin.ranking.query:
        _check_processor(processor)
    parts = [(part, kind, build(), build()) for part, kind, build in _parts(plugin, tokenizer or _one_token_a_word())]
    boosts = [
        (one, one.build(), one.build()) for one in plugin.ranking.rankers if not isinstance(one, CrossEncoderRerank)
    ]
    for payload in payloads:
        for part, kind, make, again in parts:
            _check_part(part, kind, make, again, payload)
        for boost, share_of, same in boosts:
            _check_share(boost, share_of, same, payload)


def _check_encoder(plugin: EmbeddingPlugin) -> None:
    if plugin.encoder is not None and plugin.encoder.build() != plugin.encoder.build():
        raise InvalidError.at("encoder", "two builds give different encoders")


def _check_gains(plugin: EmbeddingPlugin) -> None:
    gain_of = plugin.training.build()
    for kind in EVENT_TYPES:
        for value in (None, 0.0, 1e9):
            if not -1 <= gain_of(kind, value) <= 1:
                raise InvalidError.at("training", f"the gain of {kind!r} with value {value} is not in [-1, 1]")


def _check_prompt(plugin: EmbeddingPlugin) -> None:
    split = plugin.text.split if isinstance(plugin.text, Text) else None
    if isinstance(split, TokenSplitter) and plugin.encoder and split.prompt != plugin.encoder.build().item_prompt:
        raise InvalidError.at("text", "the prompt of the splitter is not the one that the encoder puts before items")


def _check_processor(part: QueryProcessorPart) -> None:
    place = f"ranking.query: {type(part).__name__}"
    process, again = part.build(), part.build()
    for text in ODD_TEXTS:
        draft = QueryDraft(text, ("a word",), ({"field": "a", "eq": 1},))
        (first, one), (second, other) = _processed(place, process, draft), _processed(place, again, draft)
        if not isinstance(first, QueryDraft) or not isinstance(first.text, str):
            raise InvalidError.at(place, f"must give a QueryDraft, not {first!r}")
        third, another = _processed(place, process, draft)
        if not first == second == third:
            raise InvalidError.at(place, f"gives another query the second time for {text[:50]!r}")
        if (took := min(one, other, another)) > _SLOWEST_S:
            raise InvalidError.at(place, f"takes {took:.1f} s for {text[:50]!r}")


def _processed(place: str, process: ProcessQuery, draft: QueryDraft) -> tuple[Any, float]:
    """What comes of it, and the processor time of this thread in seconds: garbage of others may be collected in it."""
    started = time.thread_time()
    try:
        processed = process(draft)
    except Exception as error:
        raise InvalidError.at(place, f"fails on {draft.text[:50]!r}: {type(error).__name__}: {error}") from error
    return processed, time.thread_time() - started


def _check_share(boost: BoostPart, share_of: ShareOf, again: ShareOf, payload: Mapping[str, Any]) -> None:
    place = f"ranking.rankers: {boost.name}"
    before = deepcopy(payload)
    share = _share(place, share_of, payload)
    if payload != before:
        raise InvalidError.at(place, "changes the payload")
    if not isinstance(share, int | float) or not abs(share) <= boost.cap < math.inf:
        raise InvalidError.at(place, f"must give a number from {-boost.cap} to {boost.cap}, not {share!r}")
    if not share == _share(place, share_of, payload) == _share(place, again, payload):
        raise InvalidError.at(place, "gives another share the second time")


def _share(place: str, share_of: ShareOf, payload: Mapping[str, Any]) -> Any:
    try:
        return share_of(payload, _NOW)
    except Exception as error:
        raise InvalidError.at(place, f"fails on a payload: {type(error).__name__}: {error}") from error


def _parts(plugin: EmbeddingPlugin, tokenizer: Tokenizer) -> Iterator[tuple[str, type, Callable[[], _Make]]]:
    if plugin.text is not None:
        yield "text", TextPiece, partial(_build_text, plugin.text, tokenizer)
    if plugin.images is not None:
        yield "images", ImageRef, partial(_build_images, plugin.images)


def _build_text(part: TextPart, tokenizer: Tokenizer) -> _Make:
    try:
        return part.build(tokenizer)
    except ValueError as error:
        raise InvalidError.at("text", f"cannot be built: {error}") from error


def _build_images(part: ImageFields) -> _Make:
    images_of = part.build()
    return lambda payload: images_of(payload, None)


def _check_part(part: str, kind: type, make: _Make, again: _Make, payload: Mapping[str, Any]) -> None:
    before = deepcopy(payload)
    made = _made(part, make, payload)
    if payload != before:
        raise InvalidError.at(part, "changes the payload")
    if not isinstance(made, list) or not all(isinstance(one, kind) for one in made):
        raise InvalidError.at(part, f"must give a list of {kind.__name__}, not {made!r}")
    if not made == _made(part, make, payload) == _made(part, again, payload):
        raise InvalidError.at(part, f"gives another list of {kind.__name__} the second time")


def _made(part: str, make: _Make, payload: Mapping[str, Any]) -> object:
    try:
        return make(payload)
    except InvalidError:
        return []
    except Exception as error:
        raise InvalidError.at(part, f"fails on a payload: {type(error).__name__}: {error}") from error


def _one_token_a_word() -> Tokenizer:
    tokenizer = Tokenizer(WordLevel({"[UNK]": 0}, unk_token="[UNK]"))  # noqa: S106  # a token of text
    tokenizer.pre_tokenizer = Whitespace()
    return tokenizer
