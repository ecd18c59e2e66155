"""All that a plugin may import: parts as frozen dataclasses, each with `build()`.

Example:
    A whole plugin, in `plugins/books.py`::

        from embedding_studio.sdk import EmbeddingPlugin, TextTemplate

        plugin = EmbeddingPlugin(name="books", text=TextTemplate(("{title} by {author}.", "{summary}")))
"""

from embedding_studio.sdk.cleaning import Normalise, StripHtml
from embedding_studio.sdk.encoder import DEFAULT_MODEL, ClipEncoder, EncoderSource, SentenceEncoder
from embedding_studio.sdk.images import DecodeImage, ImageFields, ImagePreprocessing, ImageRef, ImagesOf
from embedding_studio.sdk.loading import (
    FileLoader,
    GcsLoader,
    HttpLoader,
    Loaded,
    Loader,
    LoadFailure,
    RowFields,
    S3Loader,
    SqlLoader,
)
from embedding_studio.sdk.pieces import JsonFieldSplitter, Text
from embedding_studio.sdk.plugin import Aggregate, EmbeddingPlugin, LoaderPart, Metric
from embedding_studio.sdk.ranking import (
    FieldKind,
    Fusion,
    Mode,
    ProcessQuery,
    QueryDraft,
    QueryProcessorPart,
    RankerPart,
    Ranking,
    ReciprocalRank,
    WeightedMinMax,
)
from embedding_studio.sdk.registry import FoundPlugin, PluginRegistry, find_plugins
from embedding_studio.sdk.splitting import SentenceSplitter, SeparatorSplitter, TokenSplitter
from embedding_studio.sdk.text import FieldsText, TextOf, TextPiece, TextTemplate, WeightedFields
from embedding_studio.sdk.training import EventGains, GainOf

__all__ = [
    "DEFAULT_MODEL",
    "Aggregate",
    "ClipEncoder",
    "DecodeImage",
    "EmbeddingPlugin",
    "EncoderSource",
    "EventGains",
    "FieldKind",
    "FieldsText",
    "FileLoader",
    "FoundPlugin",
    "Fusion",
    "GainOf",
    "GcsLoader",
    "HttpLoader",
    "ImageFields",
    "ImagePreprocessing",
    "ImageRef",
    "ImagesOf",
    "JsonFieldSplitter",
    "LoadFailure",
    "Loaded",
    "Loader",
    "LoaderPart",
    "Metric",
    "Mode",
    "Normalise",
    "PluginRegistry",
    "ProcessQuery",
    "QueryDraft",
    "QueryProcessorPart",
    "RankerPart",
    "Ranking",
    "ReciprocalRank",
    "RowFields",
    "S3Loader",
    "SentenceEncoder",
    "SentenceSplitter",
    "SeparatorSplitter",
    "SqlLoader",
    "StripHtml",
    "Text",
    "TextOf",
    "TextPiece",
    "TextTemplate",
    "TokenSplitter",
    "WeightedFields",
    "WeightedMinMax",
    "find_plugins",
]
