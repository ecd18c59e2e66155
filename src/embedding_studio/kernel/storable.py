"""Values that our databases can store."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from embedding_studio.kernel.errors import InvalidError

__all__ = ["refuse_unstorable"]

_MAX_DEPTH = 64
_INT64 = range(-(2**63), 2**63)


def refuse_unstorable(value: object, place: str, *, in_document: bool = False, depth: int = 0) -> None:
    """Refuse what PostgreSQL or MongoDB cannot hold.

    That is NUL in a string, a whole number beyond 64 bits, a time outside the years 1 to 9999, very deep nesting.

    Args:
        value: What came of JSON.
        place: Where it stands in the request.
        in_document: Whether it goes into a MongoDB document, where a key like `$ref` would come back as something else.
        depth: How deep that is already.

    Raises:
        InvalidError: Names the place.
    """
    if depth > _MAX_DEPTH:
        raise InvalidError.at(place, f"may be nested {_MAX_DEPTH} levels deep")
    if isinstance(value, str):
        if "\0" in value:
            raise InvalidError.at(place, "must not contain NUL")
    elif isinstance(value, int):
        if value not in _INT64:
            raise InvalidError.at(place, "whole numbers must fit in 64 bits")
    elif isinstance(value, datetime):
        _refuse_unreachable(value, place)
    elif isinstance(value, Mapping):
        for key, member in value.items():
            refuse_unstorable(key, f"{place} (a key)", depth=depth)
            if in_document and str(key).startswith("$"):
                raise InvalidError.at(f"{place}.{key}", "a key must not start with $")
            refuse_unstorable(member, f"{place}.{key}", in_document=in_document, depth=depth + 1)
    elif isinstance(value, Sequence):
        for index, member in enumerate(value):
            refuse_unstorable(member, f"{place}[{index}]", in_document=in_document, depth=depth + 1)


def _refuse_unreachable(moment: datetime, place: str) -> None:
    try:
        moment.astimezone(UTC)
    except OverflowError:
        raise InvalidError.at(place, "must lie in the years 1 to 9999 of UTC") from None
