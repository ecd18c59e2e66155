"""Ranking settings of an arm: what it does otherwise than its collection."""

from typing import Annotated

import msgspec

from embedding_studio.sdk import Mode
from embedding_studio.vector_store import FusionOptions

__all__ = ["RankingOverrides"]


class RankingOverrides(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is not said stays as the collection and its plugin have it.

    Attributes:
        mode: How searches in words go where they do not say.
        fusion: How the halves of a hybrid search become one ranking.
        depth: Candidates that each half hands over, and that rankers see.
        memory: Whether what users chose lately has a say; true only where the plugin gives it one.
        rankers: Whether the plugin's rankers have a say.
    """

    mode: Mode | None = None
    fusion: FusionOptions | None = None
    depth: Annotated[int, msgspec.Meta(ge=1, le=1_000)] | None = None
    memory: bool = True
    rankers: bool = True
