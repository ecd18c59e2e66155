"""Values that our databases can store."""

from collections.abc import Mapping, Sequence

from embedding_studio.kernel.errors import InvalidError

__all__ = ["refuse_unstorable"]

_MAX_DEPTH = 64
_INT64 = range(-(2**63), 2**63)


def refuse_unstorable(value: object, place: str, *, depth: int = 0) -> None:
    """Refuse what PostgreSQL or MongoDB cannot hold: NUL in a string, huge whole numbers, very deep nesting.

    Args:
        value: What came of JSON.
        place: Where it stands in the request.
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
    elif isinstance(value, Mapping):
        for key, member in value.items():
            refuse_unstorable(key, f"{place} (a key)", depth=depth)
            refuse_unstorable(member, f"{place}.{key}", depth=depth + 1)
    elif isinstance(value, Sequence):
        for index, member in enumerate(value):
            refuse_unstorable(member, f"{place}[{index}]", depth=depth + 1)
