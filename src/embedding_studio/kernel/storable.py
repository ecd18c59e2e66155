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
    if isinstance(value, Mapping):
        for key, member in value.items():
            _refuse_key(key, place, in_document=in_document)
            refuse_unstorable(member, f"{place}.{key}", in_document=in_document, depth=depth + 1)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for index, member in enumerate(value):
            refuse_unstorable(member, f"{place}[{index}]", in_document=in_document, depth=depth + 1)
    elif wrong := _wrong_with(value):
        raise InvalidError.at(place, wrong)


def _refuse_key(key: str, place: str, *, in_document: bool) -> None:
    if wrong := _wrong_with(key):
        raise InvalidError.at(f"{place} (a key)", wrong)
    if in_document and key.startswith("$"):
        raise InvalidError.at(f"{place}.{key}", "a key must not start with $")


def _wrong_with(scalar: object) -> str | None:
    match scalar:
        case str() if "\0" in scalar:
            return "must not contain NUL"
        case int() if scalar not in _INT64:
            return "whole numbers must fit in 64 bits"
        case datetime() if not _has_utc(scalar):
            return "must lie in the years 1 to 9999 of UTC"
    return None


def _has_utc(moment: datetime) -> bool:
    try:
        moment.astimezone(UTC)
    except OverflowError:
        return False
    return True
