"""Opaque page cursors: small JSON values as URL-safe text."""

import base64
import binascii
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
    try:
        if len(text) > _MAX_LENGTH:
            raise ValueError
        fields = json.loads(base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True))
        if [type(field) for field in fields] != list(types):
            raise ValueError
    except (ValueError, TypeError, RecursionError, binascii.Error):
        raise InvalidError.at("cursor", "is not a cursor of this list") from None
    return list(fields)
