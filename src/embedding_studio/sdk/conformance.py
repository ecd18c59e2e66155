"""What every plugin must keep to. Run it in the tests of your own plugin.

Example:
    ::

        from embedding_studio.sdk.conformance import check
        from my_plugins.books import plugin

        def test_the_plugin_conforms():
            check(plugin, payloads=[{"title": "Emma", "author": "Jane Austen"}, {}])
"""

from collections.abc import Iterable, Mapping
from copy import deepcopy
from typing import Any

from embedding_studio.kernel.errors import InvalidError
from embedding_studio.sdk.plugin import EmbeddingPlugin

__all__ = ["EVENT_TYPES", "check"]

EVENT_TYPES = ("click", "view", "dwell", "like", "dismiss", "cart", "purchase", "report")


def check(plugin: EmbeddingPlugin, *, payloads: Iterable[Mapping[str, Any]]) -> None:
    """Build all parts of the plugin and try them.

    Args:
        plugin: The plugin.
        payloads: Such as its items have; odd ones are welcome.

    Raises:
        InvalidError: A part does not keep to its contract; says which.
    """
    _check_encoder(plugin)
    _check_gains(plugin)
    for payload in payloads:
        _check_text(plugin, payload)


def _check_encoder(plugin: EmbeddingPlugin) -> None:
    if plugin.encoder is not None and plugin.encoder.build() != plugin.encoder.build():
        raise InvalidError.at("encoder", "two builds give different encoders")


def _check_gains(plugin: EmbeddingPlugin) -> None:
    gain_of = plugin.training.build()
    for kind in EVENT_TYPES:
        for value in (None, 0.0, 1e9):
            if not -1 <= gain_of(kind, value) <= 1:
                raise InvalidError.at("training", f"the gain of {kind!r} with value {value} is not in [-1, 1]")


def _check_text(plugin: EmbeddingPlugin, payload: Mapping[str, Any]) -> None:
    before = deepcopy(payload)
    texts: object = plugin.text.build()(payload)
    if payload != before:
        raise InvalidError.at("text", "changes the payload")
    if not isinstance(texts, list) or not all(isinstance(text, str) and text.strip() for text in texts):
        raise InvalidError.at("text", f"must give a list of texts that are not empty, not {texts!r}")
    if plugin.text.build()(payload) != texts:
        raise InvalidError.at("text", "gives other texts the second time")
