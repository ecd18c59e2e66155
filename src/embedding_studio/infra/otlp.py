"""OpenTelemetry behind our traces: spans are sent in batches, by a thread of their own, as OTLP over HTTP."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import Token
from typing import Self

from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import SpanKind, Status, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from embedding_studio import __version__
from embedding_studio.infra.tracing import Facts, Kind, Span

__all__ = ["Tracing"]

_KINDS: Mapping[Kind, SpanKind] = {
    "internal": SpanKind.INTERNAL,
    "server": SpanKind.SERVER,
    "client": SpanKind.CLIENT,
    "producer": SpanKind.PRODUCER,
    "consumer": SpanKind.CONSUMER,
}
_BEGINNING: frozenset[Kind] = frozenset({"server", "consumer"})
_NOTHING = Span()
_PROPAGATOR = TraceContextTextMapPropagator()


class Tracing:
    """A tracer of our own: nothing is made global, and no library is patched."""

    def __init__(self, endpoint: str, *, service: str, headers: dict[str, str], share: float, timeout: float) -> None:
        """Send spans to `endpoint`; arguments are those of `TracingSettings`, `service` is the process's role."""
        resource = Resource.create({"service.name": service, "service.version": __version__})
        self._provider = TracerProvider(
            sampler=ParentBased(TraceIdRatioBased(share)), resource=resource, shutdown_on_exit=False
        )
        exporter = OTLPSpanExporter(endpoint, headers=headers, timeout=timeout)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("embedding_studio", __version__)

    def span(self, name: str, kind: Kind, facts: Facts) -> Span:
        """As `tracing.span`."""
        if kind not in _BEGINNING and not trace.get_current_span().get_span_context().is_valid:
            return _NOTHING
        return _Live(self._tracer, name, kind, facts)

    def note(self, name: str, kind: Kind, seconds: float, facts: Facts, failure: str | None) -> None:
        """As `tracing.note_span`."""
        if not trace.get_current_span().is_recording():
            return
        end = time.time_ns()
        span = self._tracer.start_span(
            name, kind=_KINDS[kind], attributes=_dotted(facts), start_time=end - int(seconds * 1e9)
        )
        if failure:
            _fail(span, failure)
        span.end(end)

    @staticmethod
    def carried() -> dict[str, str]:
        """As `tracing.carried`."""
        carrier: dict[str, str] = {}
        _PROPAGATOR.inject(carrier)
        return carrier

    @staticmethod
    @contextmanager
    def continued(carrier: Mapping[str, str]) -> Iterator[None]:
        """As `tracing.continued`."""
        token = context.attach(_PROPAGATOR.extract(carrier, Context()))
        try:
            yield
        finally:
            context.detach(token)

    def close(self) -> None:
        """Send what is left, within the exporter's time."""
        self._provider.shutdown()


class _Live(Span):
    def __init__(self, tracer: Tracer, name: str, kind: Kind, facts: Facts) -> None:
        self._tracer = tracer
        self._name = name
        self._kind = _KINDS[kind]
        self._facts = facts
        self._token: Token[Context] | None = None

    def __enter__(self) -> Self:
        self._span = self._tracer.start_span(self._name, kind=self._kind, attributes=_dotted(self._facts))
        self._token = context.attach(trace.set_span_in_context(self._span))
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind:
            _fail(self._span, kind.__name__)
        self._span.end()
        if self._token:
            context.detach(self._token)

    @property
    def trace_id(self) -> str | None:
        return f"{self._span.get_span_context().trace_id:032x}" if self._span.is_recording() else None

    def rename(self, name: str) -> None:
        self._span.update_name(name)

    def say(self, **facts: str | float) -> None:
        self._span.set_attributes(_dotted(facts))

    def fail(self, reason: str) -> None:
        _fail(self._span, reason)


def _dotted(facts: Facts) -> dict[str, str | int | float]:
    return {name.replace("__", "."): value for name, value in facts.items()}


def _fail(span: trace.Span, reason: str) -> None:
    span.set_attribute("error.type", reason)
    span.set_status(Status(StatusCode.ERROR))
