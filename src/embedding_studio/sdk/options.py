"""The options of an ingest request, read strictly: they come from outside."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import httpx

from embedding_studio.infra.loaders.guard import Guard
from embedding_studio.kernel.errors import InvalidError

__all__ = ["check_url", "only_option", "text_option", "time_option", "urls_option"]

_LONGEST = 1024
_MOST_URLS = 10_000


def only_option(options: Mapping[str, Any], *names: str) -> Any:
    """The value of the one option there may be, None without it."""
    if unknown := sorted(set(options) - set(names)):
        raise InvalidError.at(f"options.{unknown[0]}", f"is not known; there are: {', '.join(names) or 'none'}")
    return options.get(names[0]) if names else None


def text_option(value: Any, name: str) -> str:
    """A short string, empty for None; InvalidError names the option."""
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > _LONGEST or "\0" in value:
        raise InvalidError.at(f"options.{name}", f"must be a string of at most {_LONGEST} characters, without NUL")
    return value


def time_option(value: Any, name: str) -> datetime | None:
    """A moment in UTC, None for None; InvalidError names the option."""
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        pass
    raise InvalidError.at(f"options.{name}", "must be an RFC 3339 time with its zone")


def urls_option(value: Any, guard: Guard) -> tuple[str, ...]:
    """URLs that the guard allows, each once, none for None; InvalidError names the first that is wrong."""
    if value is None:
        return ()
    if not isinstance(value, list) or not 0 < len(value) <= _MOST_URLS:
        raise InvalidError.at("options.urls", f"must be a list of 1 to {_MOST_URLS} URLs")
    if len(set(map(str, value))) < len(value):
        raise InvalidError.at("options.urls", "names a URL twice")
    for index, url in enumerate(value):
        try:
            check_url(url, guard)
        except ValueError as error:
            raise InvalidError.at(f"options.urls[{index}]", str(error)) from error
    return tuple(value)


def check_url(url: Any, guard: Guard) -> None:
    """Raise ValueError for what is no short URL to a host that the guard allows."""
    if not isinstance(url, str) or len(url) > _LONGEST:
        raise ValueError(f"must be a string of at most {_LONGEST} characters")
    try:
        guard.refuse_other_hosts(httpx.URL(url))
    except (httpx.InvalidURL, InvalidError) as error:
        raise ValueError(str(error)) from error
