"""Items on the wire."""

from typing import Annotated, Any

import msgspec

from embedding_studio.upsertion.domain import NewItem
from embedding_studio.vector_store import FilterTree

__all__ = ["DeleteItems", "EstimateView", "Ingest", "ItemBatch", "ItemBody", "ItemId", "ItemIn", "Reindex"]

ItemId = Annotated[str, msgspec.Meta(min_length=1, max_length=512, pattern=r"^[^\x00-\x1f\x7f-\x9f]*\Z")]
_Vector = Annotated[list[float], msgspec.Meta(max_length=16_000)]


class ItemIn(msgspec.Struct, forbid_unknown_fields=True):
    """An item."""

    id: ItemId
    payload: dict[str, Any]
    source: dict[str, Any] | None = None
    vector: _Vector | None = None

    def to_domain(self) -> NewItem:
        """The item as the service takes it."""
        return NewItem(self.id, self.payload, self.source, self.vector)


class ItemBatch(msgspec.Struct, forbid_unknown_fields=True):
    """Items to write."""

    items: Annotated[list[ItemIn], msgspec.Meta(min_length=1, max_length=10_000)]


class ItemBody(msgspec.Struct, forbid_unknown_fields=True):
    """An item whose id stands in the address; `id` may repeat it."""

    payload: dict[str, Any]
    source: dict[str, Any] | None = None
    vector: _Vector | None = None
    id: ItemId | None = None


class DeleteItems(msgspec.Struct, forbid_unknown_fields=True):
    """Which items to delete: by id or by filter."""

    ids: Annotated[list[ItemId], msgspec.Meta(min_length=1, max_length=10_000)] | None = None
    filter: FilterTree | None = None


class Ingest(msgspec.Struct, forbid_unknown_fields=True):
    """A wish to pull items through a loader of the plugin."""

    loader: Annotated[str, msgspec.Meta(max_length=100)]
    options: dict[str, Any] = {}


class Reindex(msgspec.Struct, forbid_unknown_fields=True):
    """A wish for a new index; `share` is how much of its worker's time the filling may take."""

    model_version: Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)] | None = None
    share: Annotated[float, msgspec.Meta(ge=0.01, le=1)] = 1.0


class EstimateView(msgspec.Struct):
    """What a reindex would take; `bytes` is needed beside the present index until that is retired."""

    items: int
    parts: int
    seconds: float
    bytes: int
