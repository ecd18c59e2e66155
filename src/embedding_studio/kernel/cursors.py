"""Opaque page cursors: small JSON values as URL-safe text."""

import base64
import json
from typing import Any

from embedding_studio.kernel.errors import InvalidError

__all__ = ["decode_cursor", "encode_cursor"]

_MAX_LENGTH = 4096


def encode_cursor(*fields: str | float | None) -> str:
    """The fields as opaque text."""
    return base64.urlsafe_b64encode(json.dumps(fields, separators=(",", ":")).encode()).decode().rstrip("=")


def decode_cursor(text: str, *types: type) -> list[Any]:
    """The fields of a cursor that `encode_cursor` made from values of these types.

    Raises:
        InvalidError: The text is no such cursor.
    """
    fields = _read(text)
    if [type(field) for field in fields] != list(types):
        raise InvalidError.at("cursor", "is not a cursor of this list")
    return fields


def _read(text: str) -> list[Any]:
    try:
        data = base64.b64decode(text[:_MAX_LENGTH] + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        fields = json.loads(data)
    except (ValueError, RecursionError):
        return []
    return fields if isinstance(fields, list) else []
