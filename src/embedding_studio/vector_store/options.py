"""What a collection may be created with."""

import re
from typing import Annotated, Any, Literal

import msgspec

from embedding_studio.kernel.errors import InvalidError
from embedding_studio.sdk import Fusion, Mode, ReciprocalRank, WeightedMinMax

__all__ = ["CollectionOptions", "FusionOptions", "IndexOptions", "Storage", "parse_options", "stored_options"]

Storage = Literal["halfvec", "vector", "binary"]
"""How the approximate index keeps vectors; the parts themselves are float32, and distances of results are theirs."""


class IndexOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The approximate index: an HNSW graph (Malkov and Yashunin 2018).

    Attributes:
        storage: Numbers of half the size, of full size, or one bit each.
        m: Links of a vector in each layer.
        ef_construction: Candidates that building looks at; at least 2 m.
        ef_search: Candidates that a search looks at, where it asks for fewer results; the recall meter may raise it.
        partitions: Tables that the parts are spread over, by hash of their item; each has a graph of its own, that
            every search looks at. Settled when the collection is made.
    """

    storage: Storage = "halfvec"
    m: Annotated[int, msgspec.Meta(ge=2, le=100)] = 16
    ef_construction: Annotated[int, msgspec.Meta(ge=4, le=1000)] = 64
    ef_search: Annotated[int, msgspec.Meta(ge=10, le=1000)] = 100
    partitions: Annotated[int, msgspec.Meta(ge=1, le=64)] = 1


class FusionOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the halves of a hybrid search become one ranking."""

    kind: Literal["weighted", "reciprocal_rank"]
    vector: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.45
    k: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 60

    def build(self) -> Fusion:
        """The plugin part that says the same."""
        return WeightedMinMax(self.vector) if self.kind == "weighted" else ReciprocalRank(self.k)


class CollectionOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is particular about a collection; what it leaves out is as its plugin says.

    Attributes:
        dimensions: Of given vectors; only where items bring their own.
        language: A text search configuration of PostgreSQL. It is settled when the collection is made.
        mode: How searches in words go where they do not say.
    """

    dimensions: Annotated[int, msgspec.Meta(ge=1, le=4000)] | None = None
    language: Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_]{0,62}\Z")] | None = None
    mode: Mode | None = None
    fusion: FusionOptions | None = None
    index: IndexOptions = IndexOptions()


_UNKNOWN = re.compile("Object contains unknown field `(.*)`", re.DOTALL)


def parse_options(given: dict[str, Any]) -> CollectionOptions:
    """Read options as they came in a request.

    Raises:
        InvalidError: Names the place that is wrong.
    """
    try:
        options = msgspec.convert(given, CollectionOptions)
    except msgspec.ValidationError as error:
        message, _, place = str(error).partition(" - at `$")
        unknown = _UNKNOWN.fullmatch(message)
        place = place.rstrip("`") + (f".{unknown[1]}" if unknown else "")
        raise InvalidError.at(f"options{place}", "unknown field" if unknown else message) from None
    if options.index.ef_construction < 2 * options.index.m:
        raise InvalidError.at("options.index.ef_construction", "must be at least 2 m")
    return options


def stored_options(options: CollectionOptions) -> dict[str, Any]:
    """Options as the catalog keeps them: one partition goes unsaid, so that the release before reads them too."""
    stored: dict[str, Any] = msgspec.to_builtins(options)
    if "index" in stored and options.index.partitions == 1:
        del stored["index"]["partitions"]
    return stored
