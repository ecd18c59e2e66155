"""From what came in to what is stored."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from embedding_studio.sdk import TextOf
from embedding_studio.tasks import FailedItem

__all__ = ["NewItem", "PreparedItem", "StagedItem", "content_hash", "prepare"]


_LONGEST_REASON = 500


@dataclass(frozen=True, slots=True)
class NewItem:
    """An item as it came in; `vector` only where the plugin takes given vectors."""

    id: str
    payload: dict[str, Any]
    source: dict[str, Any] | None = None
    vector: Sequence[float] | None = None


@dataclass(frozen=True, slots=True)
class StagedItem:
    """An item that was accepted; `seq` is its place in the order of acceptance, `ordinal` that within its task."""

    seq: int
    ordinal: int
    item: NewItem


@dataclass(frozen=True, slots=True)
class PreparedItem:
    """A staged item with the texts of its parts; one with a given vector has one part."""

    staged: StagedItem
    texts: Sequence[str | None]
    content_hash: str


def content_hash(texts: Sequence[str | None], vector: Sequence[float] | None) -> str:
    """Of all that the item's vectors are made from."""
    return hashlib.sha256(json.dumps([list(texts), None if vector is None else list(vector)]).encode()).hexdigest()


def prepare(staged: StagedItem, text_of: TextOf) -> PreparedItem | FailedItem:
    """Make the item's texts; an item that its plugin cannot read, or that says nothing, has failed."""
    item = staged.item
    texts: list[str | None]
    try:
        texts = [*text_of(item.payload)]
    except Exception as error:  # noqa: BLE001  # the edge: a plugin's code may raise anything
        return FailedItem(item.id, "split", f"{type(error).__name__}: {error}"[:_LONGEST_REASON])
    if item.vector is not None:
        texts = texts[:1] or [None]
    elif not texts:
        return FailedItem(item.id, "split", "the payload has no text")
    return PreparedItem(staged, texts, content_hash(texts, item.vector))
