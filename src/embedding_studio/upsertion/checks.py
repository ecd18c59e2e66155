"""What an item must be like to be accepted."""

import msgspec

from embedding_studio.kernel.errors import InvalidError
from embedding_studio.kernel.storable import refuse_unstorable
from embedding_studio.sdk import EmbeddingPlugin
from embedding_studio.upsertion.domain import NewItem
from embedding_studio.vector_store import Collection, checked_vector

__all__ = ["check_item"]

_LARGEST = 1_000_000
_LONG_NUMBER = b"0" * 19
_DIGITS_ALIKE = bytes.maketrans(b"123456789", b"000000000")
_SURELY_FLAT = 64


def check_item(plugin: EmbeddingPlugin, collection: Collection, item: NewItem, place: str) -> None:
    """Refuse an item that cannot be stored.

    Args:
        plugin: The collection's.
        collection: Where the item is to go.
        item: What came in.
        place: Of the item in the request, ending with a dot; for the error.

    Raises:
        InvalidError: Names the place.
    """
    for name, value in (("payload", item.payload), ("source", item.source)):
        encoded = msgspec.json.encode(value)
        if _may_be_unstorable(encoded):
            refuse_unstorable(value, f"{place}{name}")
        if len(encoded) > _LARGEST:
            raise InvalidError.at(f"{place}{name}", f"may have {_LARGEST:,} bytes as JSON")
    if plugin.gives_vectors:
        checked_vector(item.vector or (), collection, place=f"{place}vector")
    elif item.vector is not None:
        raise InvalidError.at(f"{place}vector", "this collection's plugin makes the vectors itself")


def _may_be_unstorable(encoded: bytes) -> bool:
    """Whether the JSON may hold NUL, a whole number beyond 64 bits or deep nesting: most does not."""
    return (
        b"\\u0000" in encoded
        or _LONG_NUMBER in encoded.translate(_DIGITS_ALIKE)
        or encoded.count(b"{") + encoded.count(b"[") > _SURELY_FLAT
    )
