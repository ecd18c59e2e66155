"""Items on the wire."""

from typing import Annotated, Any

import msgspec

from embedding_studio.upsertion.domain import NewItem

__all__ = ["ItemBatch", "ItemBody", "ItemId", "ItemIn"]

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
