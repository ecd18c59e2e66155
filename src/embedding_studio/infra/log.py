"""Structured logs: one line an event, for people or as JSON, with the ids of what it belongs to."""

import json
import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime

from embedding_studio.infra.redaction import RedactingFilter

__all__ = ["configure_logging", "fact", "logged", "note"]

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_FACTS: ContextVar[Mapping[str, str]] = ContextVar("log_facts", default={})  # noqa: B039  # it is never changed


@contextmanager
def logged(**facts: str | None) -> Iterator[None]:
    """Say with every line that is logged within what it belongs to; None is left out.

    What was said outside stays said, and holds for tasks and threads that are started within.
    """
    token = _FACTS.set(_with(facts))
    try:
        yield
    finally:
        _FACTS.reset(token)


def note(**facts: str | None) -> None:
    """Say it with the lines that follow, until the end of the `logged` around this; what is said already stays.

    Outside of any it has no effect: nothing would end it.
    """
    if known := _FACTS.get():
        _FACTS.set({**_with(facts), **known})


def fact(name: str) -> str | None:
    """What is said with every line under a name."""
    return _FACTS.get().get(name)


def _with(facts: Mapping[str, str | None]) -> Mapping[str, str]:
    return {**_FACTS.get(), **{name: value for name, value in facts.items() if value is not None}}


class _JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        event = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_facts_of(record),
        }
        if record.exc_text:
            event["exception"] = record.exc_text
        return json.dumps(event, default=str)


class _LineFormatter(logging.Formatter):
    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  # the name that logging calls
        facts = " ".join(f"{name}={_one_line(value)}" for name, value in _facts_of(record).items())
        return f"{super().formatMessage(record)} {facts}".rstrip()


def _one_line(value: object) -> str:
    text = str(value)
    return text if text.isprintable() else repr(text)


def _facts_of(record: logging.LogRecord) -> dict[str, object]:
    """What the place that logs said of the event, and what it happens within."""
    return {**_FACTS.get(), **{name: value for name, value in vars(record).items() if name not in _STANDARD}}


def configure_logging(*, level: str = "info", as_json: bool = False) -> None:
    """Send all logs to standard error at `level`, without secrets; the libraries' own chatter from warnings up."""
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(RedactingFilter())
    handler.setFormatter(
        _JsonFormatter() if as_json else _LineFormatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s"),
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("embedding_studio").setLevel(level.upper())
