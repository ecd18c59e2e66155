"""Keys of a table's rows as JSON strings, and back to what the database compares them with."""

import base64
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID

from embedding_studio.kernel.errors import InvalidError

__all__ = ["Key", "key_from", "key_of"]

Key = str | int | Decimal | UUID | datetime | date | bytes

_READ: Mapping[str, Callable[[str], Key]] = {
    "str": str,
    "int": int,
    "Decimal": Decimal,
    "UUID": UUID,
    "datetime": datetime.fromisoformat,
    "date": date.fromisoformat,
    "bytes": base64.b64decode,
}


def key_of(value: Any) -> dict[str, str]:
    """The key with its type.

    Raises:
        InvalidError: No row may have such a key, null for one.
    """
    if isinstance(value, UUID):  # drivers have subclasses of their own
        return {"type": "UUID", "key": str(value)}
    kind = type(value).__name__
    if kind not in _READ:
        raise InvalidError(f"a row's key must not be of type {kind}")
    text = base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)
    return {"type": kind, "key": text}


def key_from(written: Mapping[str, Any], place: str) -> Key:
    """The key that `key_of` has written.

    Raises:
        InvalidError: It has not; names `place`.
    """
    try:
        return _READ[written["type"]](written["key"])
    except (KeyError, TypeError, ValueError, InvalidOperation) as error:
        raise InvalidError.at(place, "holds no key of a row") from error
