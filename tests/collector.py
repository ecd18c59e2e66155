"""What OpenTelemetry calls a collector: it takes spans over HTTP, and keeps them."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from gzip import decompress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

__all__ = ["Collector", "Seen", "collector"]


@dataclass(frozen=True, slots=True)
class Seen:
    """A span as it came."""

    service: str
    trace: str
    id: str
    parent: str
    name: str
    kind: int
    seconds: float
    facts: dict[str, str]
    failed: bool


class Collector:
    """Spans of all services that sent some.

    Attributes:
        headers: Of the last request.
    """

    def __init__(self, port: int) -> None:
        self.endpoint = f"http://127.0.0.1:{port}/v1/traces"
        self.headers: dict[str, str] = {}
        self._spans: list[Seen] = []
        self._lock = threading.Lock()

    def take(self, body: bytes) -> None:
        request = ExportTraceServiceRequest.FromString(body)
        with self._lock:
            for group in request.resource_spans:
                (service,) = (one.value.string_value for one in group.resource.attributes if one.key == "service.name")
                self._spans += [
                    Seen(
                        service=service,
                        trace=one.trace_id.hex(),
                        id=one.span_id.hex(),
                        parent=one.parent_span_id.hex(),
                        name=one.name,
                        kind=one.kind,
                        seconds=(one.end_time_unix_nano - one.start_time_unix_nano) / 1e9,
                        facts={fact.key: str(_value(fact.value)) for fact in one.attributes},
                        failed=one.status.code == 2,
                    )
                    for scope in group.scope_spans
                    for one in scope.spans
                ]

    def of(self, trace: str) -> list[Seen]:
        """The spans of a trace, those that came first first."""
        with self._lock:
            return [one for one in self._spans if one.trace == trace]

    @property
    def spans(self) -> list[Seen]:
        with self._lock:
            return self._spans[:]


@contextmanager
def collector() -> Iterator[Collector]:
    """A collector that listens while the block runs."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            ours.headers = dict(self.headers)
            ours.take(decompress(body) if self.headers["Content-Encoding"] == "gzip" else body)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        ours = Collector(server.server_address[1])
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield ours
        finally:
            server.shutdown()
            thread.join()


def _value(value: object) -> object:
    return getattr(value, str(value.WhichOneof("value")))  # type: ignore[attr-defined]  # of a generated class
