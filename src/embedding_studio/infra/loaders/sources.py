"""What comes from outside, looked at before it is used."""

import os
from collections.abc import Mapping
from typing import Any

from embedding_studio.kernel.errors import InvalidError, UnavailableError

__all__ = ["from_environment", "text_of"]

_LIMIT = 2048


def text_of(source: Mapping[str, Any], *fields: str) -> Any:
    """The strings under `fields`, one as itself and several as a tuple.

    Raises:
        InvalidError: One is missing, is no string or is over 2048 characters, or there are other fields.
    """
    if unknown := sorted(set(source) - set(fields)):
        raise InvalidError.at(f"source.{unknown[0]}", "is not known")
    for field in fields:
        if not isinstance(value := source.get(field), str) or not 0 < len(value) <= _LIMIT:
            raise InvalidError.at(f"source.{field}", f"must be a string of 1 to {_LIMIT} characters")
    return source[fields[0]] if len(fields) == 1 else tuple(source[field] for field in fields)


def from_environment(name: str) -> str:
    """The variable's value.

    Raises:
        UnavailableError: It is not set.
    """
    if value := os.environ.get(name):
        return value
    raise UnavailableError(f"the environment variable {name} is not set")
