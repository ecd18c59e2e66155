"""The one error tree.

StudioError
├── NotFoundError         what was named does not exist
├── ConflictError         it exists already, or its state forbids the request
├── InvalidError          the request is wrong; names the fields
├── UnauthenticatedError  who calls is not known
├── ForbiddenError        the caller may not do this
├── TooLargeError         the request is over a configured limit
├── RateLimitedError      the caller has sent too much; the same request may succeed later
└── UnavailableError      a part we need does not answer; the same request may succeed later

`api/problems.py` is the only table from these to HTTP; `retryable` also decides whether a worker tries again.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

__all__ = [
    "ConflictError",
    "FieldError",
    "ForbiddenError",
    "InvalidError",
    "NotFoundError",
    "RateLimitedError",
    "StudioError",
    "TooLargeError",
    "UnauthenticatedError",
    "UnavailableError",
]


_PLACE = re.compile(r" - at `(?:key` in `)?\$\.?(?P<path>[\w.\[\]]*)`\Z")
_MEMBER = re.compile(r"Object (?P<what>contains unknown|missing required) field `(?P<name>.*)`", re.DOTALL)
_MEMBER_MESSAGE: Mapping[str, str] = {"contains unknown": "unknown field", "missing required": "is required"}


@dataclass(frozen=True, slots=True)
class FieldError:
    """One wrong place in a request: a path such as `items[3].payload.title`, and what is wrong there."""

    field: str
    message: str

    @classmethod
    def told_by(cls, message: str) -> Self:
        """The place that msgspec names in a message such as "Expected `int` - at `$.items[0].id`", or `body`."""
        found = _PLACE.search(message)
        path, text = (found["path"], message[: found.start()]) if found else ("", message)
        if member := _MEMBER.fullmatch(text):
            name, what = member["name"], _MEMBER_MESSAGE[member["what"]]
            return cls(f"{path}.{name}" if path else name, what)
        return cls(path or "body", text)


class StudioError(Exception):
    """Root of all errors the product raises on purpose."""

    retryable = False

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class NotFoundError(StudioError):
    """What was named does not exist."""


class ConflictError(StudioError):
    """It exists already, or its state forbids the request."""


class UnauthenticatedError(StudioError):
    """Who calls is not known: no key came, or none that is good."""


class ForbiddenError(StudioError):
    """The caller may not do this."""


class TooLargeError(StudioError):
    """The request is over a configured limit."""


class InvalidError(StudioError):
    """The request is wrong; `errors` names the places."""

    def __init__(self, detail: str, errors: tuple[FieldError, ...] = ()) -> None:
        super().__init__(detail)
        self.errors = errors

    @classmethod
    def at(cls, field: str, message: str) -> "InvalidError":
        """An error about a single place."""
        return cls(f"{field}: {message}", (FieldError(field, message),))


class RateLimitedError(StudioError):
    """The caller has sent too much; the same request may succeed after `retry_after` seconds."""

    def __init__(self, detail: str, retry_after: int = 1) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class UnavailableError(StudioError):
    """A part we need does not answer; the same request may succeed after `retry_after` seconds."""

    retryable = True

    def __init__(self, detail: str, retry_after: int = 1) -> None:
        super().__init__(detail)
        self.retry_after = retry_after
