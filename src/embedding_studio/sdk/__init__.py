"""All that a plugin may import: parts as frozen dataclasses, each with `build()`.

Example:
    A whole plugin, in `plugins/books.py`::

        from embedding_studio.sdk import EmbeddingPlugin, TextTemplate

        plugin = EmbeddingPlugin(name="books", text=TextTemplate(("{title} by {author}.", "{summary}")))
"""

from embedding_studio.sdk.adjusting import ClickMemory, Remembered
from embedding_studio.sdk.cleaning import Normalise, StripHtml
from embedding_studio.sdk.encoder import DEFAULT_MODEL, ClipEncoder, EncoderSource, SentenceEncoder
from embedding_studio.sdk.exploration import SwapNeighbours
from embedding_studio.sdk.images import DecodeImage, ImageFields, ImagePreprocessing, ImageRef, ImagesOf
from embedding_studio.sdk.learning import (
    CachedSoftmax,
    GradedCosent,
    InBatchSoftmax,
    Learning,
    LearningRecipe,
    LossPart,
    Matryoshka,
    Sampler,
    TeacherMargins,
)
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
from embedding_studio.sdk.patterns import FieldPrefix, FilterPattern, NumberPhrases
from embedding_studio.sdk.pieces import JsonFieldSplitter, Text
from embedding_studio.sdk.plugin import Aggregate, EmbeddingPlugin, LoaderPart, Metric
from embedding_studio.sdk.query import Expand, Rewrite, Spelling, SplitFilters
from embedding_studio.sdk.rankers import (
    BoostPart,
    CrossEncoderRerank,
    FieldBoost,
    PopularityBoost,
    RankerPart,
    RecencyBoost,
    ShareOf,
)
from embedding_studio.sdk.ranking import (
    FieldKind,
    Fusion,
    Mode,
    ProcessQuery,
    QueryDraft,
    QueryProcessorPart,
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
    "BoostPart",
    "CachedSoftmax",
    "ClickMemory",
    "ClipEncoder",
    "CrossEncoderRerank",
    "DecodeImage",
    "EmbeddingPlugin",
    "EncoderSource",
    "EventGains",
    "Expand",
    "FieldBoost",
    "FieldKind",
    "FieldPrefix",
    "FieldsText",
    "FileLoader",
    "FilterPattern",
    "FoundPlugin",
    "Fusion",
    "GainOf",
    "GcsLoader",
    "GradedCosent",
    "HttpLoader",
    "ImageFields",
    "ImagePreprocessing",
    "ImageRef",
    "ImagesOf",
    "InBatchSoftmax",
    "JsonFieldSplitter",
    "Learning",
    "LearningRecipe",
    "LoadFailure",
    "Loaded",
    "Loader",
    "LoaderPart",
    "LossPart",
    "Matryoshka",
    "Metric",
    "Mode",
    "Normalise",
    "NumberPhrases",
    "PluginRegistry",
    "PopularityBoost",
    "ProcessQuery",
    "QueryDraft",
    "QueryProcessorPart",
    "RankerPart",
    "Ranking",
    "RecencyBoost",
    "ReciprocalRank",
    "Remembered",
    "Rewrite",
    "RowFields",
    "S3Loader",
    "Sampler",
    "SentenceEncoder",
    "SentenceSplitter",
    "SeparatorSplitter",
    "ShareOf",
    "Spelling",
    "SplitFilters",
    "SqlLoader",
    "StripHtml",
    "SwapNeighbours",
    "TeacherMargins",
    "Text",
    "TextOf",
    "TextPiece",
    "TextTemplate",
    "TokenSplitter",
    "WeightedFields",
    "WeightedMinMax",
    "find_plugins",
]
