"""Values that JSON lacks, as JSON."""

import base64
import math
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from typing import Any
from uuid import UUID

__all__ = ["to_json"]

_AS_TEXT = (UUID, IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network)


def to_json(value: Any) -> Any:
    """A database's or a Parquet file's value as JSON.

    | from | to |
    |---|---|
    | Decimal | a number where a 64-bit float keeps every digit, else a string |
    | not a number, infinite | null |
    | datetime | RFC 3339 in UTC; without a zone it is taken for UTC |
    | date, time | ISO 8601 |
    | timedelta | seconds |
    | UUID, network addresses | string |
    | bytes | string, base64 |

    Raises:
        TypeError: A value of another type.
    """
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else None
        case Decimal():
            return _number(value)
        case Mapping():
            return {str(key): to_json(member) for key, member in value.items()}
        case list() | tuple() | set() | frozenset():
            return [to_json(member) for member in value]
        case _:
            return _text(value)


def _number(value: Decimal) -> float | int | str | None:
    if not value.is_finite():
        return None
    number = int(value) if value.as_tuple().exponent == 0 else float(value)
    return number if Decimal(repr(number)) == value else str(value)


def _text(value: Any) -> str | float:
    match value:
        case datetime():
            aware = value if value.tzinfo else value.replace(tzinfo=UTC)
            return aware.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case date() | time():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case bytes() | bytearray() | memoryview():
            return base64.b64encode(value).decode()
        case _ if isinstance(value, _AS_TEXT):
            return str(value)
        case _:
            raise TypeError(f"a value of type {type(value).__name__} has no JSON")
