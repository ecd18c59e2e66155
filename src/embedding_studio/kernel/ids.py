"""Identifiers that sort by the time they were made."""

import secrets
import time

__all__ = ["new_id"]

_RANDOM_BYTES = 10


def new_id() -> str:
    """A 32-character hexadecimal id: 48 bits of milliseconds, then 80 random bits, as in RFC 9562's version 7."""
    milliseconds = time.time_ns() // 1_000_000
    return f"{milliseconds:012x}{secrets.token_hex(_RANDOM_BYTES)}"
