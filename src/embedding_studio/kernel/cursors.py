"""Opaque page cursors: small JSON values as URL-safe text."""

import base64
import json
import math
from typing import Any

from embedding_studio.kernel.errors import InvalidError

__all__ = ["decode_cursor", "encode_cursor"]

_MAX_LENGTH = 4096
_INT64 = range(-(2**63), 2**63)
_to_json = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


def encode_cursor(*fields: str | float) -> str:
    """The fields as opaque text: under 4096 characters for strings of 2,900 bytes together."""
    return base64.urlsafe_b64encode(_to_json(fields).encode()).decode().rstrip("=")


def decode_cursor(text: str, *types: type) -> list[Any]:
    """The fields of a cursor that `encode_cursor` made from values of these types.

    A cursor is not signed: the fields are values that a database takes, and no more is known of them.

    Raises:
        InvalidError: The text is no such cursor.
    """
    fields = _read(text)
    if [type(field) for field in fields] != list(types) or not all(map(_is_storable, fields)):
        raise InvalidError.at("cursor", "is not a cursor of this list")
    return fields


def _read(text: str) -> list[Any]:
    try:
        data = base64.b64decode(text[:_MAX_LENGTH] + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        fields = json.loads(data)
    except (ValueError, RecursionError):
        return []
    return fields if isinstance(fields, list) else []


def _is_storable(field: object) -> bool:
    if isinstance(field, str):
        return "\0" not in field and not any("\ud800" <= character <= "\udfff" for character in field)
    return field in _INT64 if isinstance(field, int) else isinstance(field, float) and math.isfinite(field)
