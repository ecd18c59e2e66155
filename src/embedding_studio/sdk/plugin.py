"""A plugin: what is particular about one kind of catalog, as data."""

import re
from dataclasses import dataclass, field
from typing import Literal, get_args

from embedding_studio.sdk.encoder import SentenceEncoder
from embedding_studio.sdk.text import FieldsText, TextTemplate
from embedding_studio.sdk.training import EventGains

__all__ = ["EmbeddingPlugin", "Metric"]

Metric = Literal["cosine", "dot", "euclidean"]

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_PARTS = {
    "version": str,
    "text": FieldsText | TextTemplate,
    "encoder": SentenceEncoder | None,
    "training": EventGains,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingPlugin:
    """One kind of catalog.

    Attributes:
        name: What collections call it.
        version: Shown by `embedding-studio plugins`.
        text: Makes the texts of an item's parts from its payload.
        encoder: Makes vectors of texts; None where every item brings its own vector.
        metric: The similarity of collections that do not choose one.
        training: How events become gains.
    """

    name: str
    version: str = "1"
    text: FieldsText | TextTemplate = field(default_factory=FieldsText)
    encoder: SentenceEncoder | None = field(default_factory=SentenceEncoder)
    metric: Metric = "cosine"
    training: EventGains = field(default_factory=EventGains)

    def __post_init__(self) -> None:
        """Refuse names that a URL or a table could not carry, and parts of another kind."""
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"a plugin's name must match {_NAME.pattern}, not {self.name!r}")
        if self.metric not in get_args(Metric):
            raise ValueError(f"metric must be one of {', '.join(get_args(Metric))}, not {self.metric!r}")
        for part, kind in _PARTS.items():
            if not isinstance(value := getattr(self, part), kind):
                raise TypeError(f"{part} must not be {type(value).__name__}")

    @property
    def gives_vectors(self) -> bool:
        """Whether items bring their own vectors."""
        return self.encoder is None
