"""A plugin: what is particular about one kind of catalog, as data."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, get_args

from embedding_studio.sdk.encoder import ClipEncoder, SentenceEncoder
from embedding_studio.sdk.images import ImageFields, ImagePreprocessing
from embedding_studio.sdk.learning import Learning
from embedding_studio.sdk.loading import Loader
from embedding_studio.sdk.pieces import TextPart
from embedding_studio.sdk.ranking import FieldKind, Mode, Ranking
from embedding_studio.sdk.text import FieldsText
from embedding_studio.sdk.training import EventGains

__all__ = ["Aggregate", "EmbeddingPlugin", "LoaderPart", "Metric"]

Metric = Literal["cosine", "dot", "euclidean"]
Aggregate = Literal["best", "mean"]


class LoaderPart(Protocol):
    """A part that reads items, such as `FileLoader`."""

    def build(self, options: Mapping[str, Any]) -> Loader:
        """The loader, narrowed down by the options of an ingest request."""
        ...


_NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_PARTS = {
    "version": str,
    "text": TextPart | None,
    "images": ImageFields | None,
    "preprocessing": ImagePreprocessing,
    "loaders": Mapping,
    "encoder": SentenceEncoder | ClipEncoder | None,
    "fields": Mapping,
    "training": EventGains,
    "learning": Learning,
    "ranking": Ranking,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingPlugin:
    """One kind of catalog.

    Attributes:
        name: What collections call it.
        version: Shown by `embedding-studio plugins`.
        text: Makes the texts of an item's parts from its payload; None where only images speak.
        images: Says where the images of an item come from; they want an encoder that knows images.
        preprocessing: Makes of an image's bytes what the encoder sees.
        loaders: Where `ingest` reads items and content from, by name.
        aggregate: Whether an item is found by the best of its parts, or by the weighted mean of all.
        encoder: Makes vectors of texts; None where every item brings its own vector.
        metric: The similarity of collections that do not choose one.
        fields: Dotted paths of the payload that are often filtered by, to what they hold; each gets an index.
        training: How events become gains.
        learning: How encoders are trained from them.
        ranking: How searches find and rank.
    """

    name: str
    version: str = "1"
    text: TextPart | None = field(default_factory=FieldsText)
    images: ImageFields | None = None
    preprocessing: ImagePreprocessing = field(default_factory=ImagePreprocessing)
    loaders: Mapping[str, LoaderPart] = field(default_factory=dict)
    aggregate: Aggregate = "best"
    encoder: SentenceEncoder | ClipEncoder | None = field(default_factory=SentenceEncoder)
    metric: Metric = "cosine"
    fields: Mapping[str, FieldKind] = field(default_factory=dict)
    training: EventGains = field(default_factory=EventGains)
    learning: Learning = field(default_factory=Learning)
    ranking: Ranking = field(default_factory=Ranking)

    def __post_init__(self) -> None:
        """Refuse names that a URL or a table could not carry, and parts of another kind."""
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"a plugin's name must match {_NAME.pattern}, not {self.name!r}")
        if self.metric not in get_args(Metric):
            raise ValueError(f"metric must be one of {', '.join(get_args(Metric))}, not {self.metric!r}")
        if self.aggregate not in get_args(Aggregate):
            raise ValueError(f"aggregate must be one of {', '.join(get_args(Aggregate))}, not {self.aggregate!r}")
        for part, kind in _PARTS.items():
            if not isinstance(value := getattr(self, part), kind):
                raise TypeError(f"{part} must not be {type(value).__name__}")
        for path, kind in self.fields.items():
            if kind not in get_args(FieldKind):
                raise ValueError(f"the field {path!r} must be one of {', '.join(get_args(FieldKind))}, not {kind!r}")
        self._check_images()

    def _check_images(self) -> None:
        if self.text is None and self.images is None:
            raise ValueError("a plugin without text needs images")
        if self.images and not isinstance(self.encoder, ClipEncoder):
            raise ValueError("images need a ClipEncoder")
        if self.images and self.images.loader not in (None, *self.loaders):
            raise ValueError(f"there is no loader {self.images.loader!r} for the images")

    @property
    def mode(self) -> Mode:
        """How searches in words go where they do not say."""
        if self.ranking.mode:
            return self.ranking.mode
        if self.gives_vectors:
            return "lexical"
        return "hybrid" if self.text else "vector"

    @property
    def gives_vectors(self) -> bool:
        """Whether items bring their own vectors."""
        return self.encoder is None
