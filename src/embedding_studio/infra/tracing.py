"""Traces: what of a request took how long, here and in the workers that went on with it. Off unless settings say so."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Literal, Self

from pydantic import BaseModel, Field, SecretStr

from embedding_studio.kernel.errors import UnavailableError

if TYPE_CHECKING:
    from embedding_studio.infra.otlp import Tracing

__all__ = [
    "Facts",
    "Kind",
    "Span",
    "TracingSettings",
    "carried",
    "continued",
    "is_traced",
    "note_span",
    "open_tracing",
    "span",
]

Kind = Literal["internal", "server", "client", "producer", "consumer"]
Facts = Mapping[str, str | int | float]

_tracing: "Tracing | None" = None


class TracingSettings(BaseModel):
    """Where traces go."""

    endpoint: str | None = Field(default=None, description="of OTLP over HTTP, as http://collector:4318/v1/traces")
    headers: dict[str, SecretStr] = Field(default_factory=dict, description="that the endpoint wants")
    share: float = Field(default=1.0, ge=0, le=1, description="of requests that bring no decision of their own")
    timeout: float = Field(default=5.0, gt=0, description="seconds an export may take, the last one included")


class Span:
    """A part of a trace; where there are no traces, nothing."""

    def __enter__(self) -> Self:
        """Begin; what begins within is a part of it."""
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """End; with an error, say its kind."""

    @property
    def trace_id(self) -> str | None:
        """Of the trace, 32 hexadecimal digits; None where it is not recorded."""
        return None

    def rename(self, name: str) -> None:
        """Give it another name, where that is known late."""

    def say(self, **facts: str | float) -> None:
        """Add attributes; `__` in a name stands for a dot."""

    def fail(self, reason: str) -> None:
        """Say that it went wrong, and why in a word."""


_NOTHING = Span()


def span(name: str, kind: Kind = "internal", **facts: str | float) -> Span:
    """A part of the trace that this happens in. Of a new one, it is the first if it is a server's or a consumer's.

    Args:
        name: One of few, whatever is asked for.
        kind: Whether it answers, asks, sends or receives.
        facts: Attributes; `__` in a name stands for a dot. Nothing that a user said.
    """
    return _tracing.span(name, kind, facts) if _tracing else _NOTHING


def note_span(name: str, kind: Kind, seconds: float, facts: Facts, *, failure: str | None = None) -> None:
    """Add what has just ended, after `seconds`, to the trace that this happens in; without one it has no effect."""
    if _tracing:
        _tracing.note(name, kind, seconds, facts, failure)


def is_traced() -> bool:
    """Whether there are traces at all."""
    return _tracing is not None


def carried() -> dict[str, str]:
    """What to send along so that the trace goes on elsewhere: headers of W3C Trace Context, or nothing."""
    return _tracing.carried() if _tracing else {}


def continued(carrier: Mapping[str, str]) -> AbstractContextManager[None]:
    """Go on within the trace that somebody else sent along."""
    return _tracing.continued(carrier) if _tracing else nullcontext()


@contextmanager
def open_tracing(settings: TracingSettings, *, service: str) -> Iterator[None]:
    """Trace within, and send off what is left in the end. OpenTelemetry, an extra, is imported only for that.

    Args:
        settings: Where to.
        service: Name of this process's role.

    Raises:
        UnavailableError: OpenTelemetry is not installed; says how to.
    """
    global _tracing  # noqa: PLW0603  # one process, one tracer: what asks for a span is far from who opens it
    if settings.endpoint is None:
        yield
        return
    tracing = _open(settings, service)
    _tracing = tracing
    try:
        yield
    finally:
        _tracing = None
        tracing.close()


def _open(settings: TracingSettings, service: str) -> "Tracing":
    try:
        from embedding_studio.infra.otlp import Tracing  # noqa: PLC0415  # see above
    except ImportError as error:
        raise UnavailableError(
            f"{error.name} is not installed; traces need `pip install embedding-studio[telemetry]`"
        ) from error
    headers = {name: value.get_secret_value() for name, value in settings.headers.items()}
    return Tracing(
        settings.endpoint or "", service=service, headers=headers, share=settings.share, timeout=settings.timeout
    )
