"""All that a plugin may import: parts as frozen dataclasses, each with `build()`.

Example:
    A whole plugin, in `plugins/books.py`::

        from embedding_studio.sdk import EmbeddingPlugin, TextTemplate

        plugin = EmbeddingPlugin(name="books", text=TextTemplate(("{title} by {author}.", "{summary}")))
"""

from embedding_studio.sdk.encoder import DEFAULT_MODEL, EncoderSource, SentenceEncoder
from embedding_studio.sdk.plugin import EmbeddingPlugin, Metric
from embedding_studio.sdk.registry import FoundPlugin, PluginRegistry, find_plugins
from embedding_studio.sdk.text import FieldsText, TextOf, TextTemplate
from embedding_studio.sdk.training import EventGains, GainOf

__all__ = [
    "DEFAULT_MODEL",
    "EmbeddingPlugin",
    "EncoderSource",
    "EventGains",
    "FieldsText",
    "FoundPlugin",
    "GainOf",
    "Metric",
    "PluginRegistry",
    "SentenceEncoder",
    "TextOf",
    "TextTemplate",
    "find_plugins",
]
