"""Spans as a collector sees them."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from collector import Collector, Seen, collector
from embedding_studio.infra.tracing import (
    Span,
    TracingSettings,
    carried,
    continued,
    is_traced,
    note_span,
    open_tracing,
    span,
)
from embedding_studio.kernel.errors import UnavailableError

SAMPLED = 1
TRACE = "0af7651916cd43dd8448eb211c80319c"
SENT = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}


@pytest.fixture
def seen() -> Iterator[Collector]:
    with collector() as ours:
        yield ours


def spans_of(seen: Collector) -> dict[str, Seen]:
    return {one.name: one for one in seen.spans}


def test_without_an_endpoint_there_are_no_traces_and_no_library() -> None:
    with open_tracing(TracingSettings(), service="test"), continued(SENT), span("request", "server") as here:
        here.rename("other")
        here.say(a=1)
        here.fail("never")
        note_span("SELECT", "client", 0.1, {})
        assert (type(here), here.trace_id, carried(), is_traced()) == (Span, None, {}, False)


def test_spans_are_parts_of_what_they_happen_in(seen: Collector) -> None:
    settings = TracingSettings(endpoint=seen.endpoint, headers={"x-key": SecretStr("k1")})
    with open_tracing(settings, service="test"):
        with continued(SENT), span("request", "server") as here:
            here.rename("GET /there")
            here.say(http__route="/there", count=3)
            assert here.trace_id == TRACE
            note_span("SELECT", "client", 0.25, {"db.query.text": "SELECT 1"}, failure="QueryCanceledError")
            onward = carried()
        with continued(onward), pytest.raises(ValueError, match="secret"), span("process", "consumer"):
            raise ValueError("a secret")
    spans = spans_of(seen)
    request, statement, processed = spans["GET /there"], spans["SELECT"], spans["process"]
    assert {one.trace for one in spans.values()} == {TRACE}
    assert {one.service for one in spans.values()} == {"test"}
    assert request.facts == {"http.route": "/there", "count": "3"}
    assert statement.parent == processed.parent == request.id
    assert statement.seconds == pytest.approx(0.25)
    assert (statement.facts["error.type"], statement.failed) == ("QueryCanceledError", True)
    assert (processed.facts, processed.failed, request.failed) == ({"error.type": "ValueError"}, True, False)
    assert seen.headers["x-key"] == "k1"


def test_tasks_started_within_are_parts_of_it(seen: Collector) -> None:
    async def search() -> None:
        with span("request", "server"):
            await asyncio.gather(_stage("one"), _stage("other"))

    with open_tracing(TracingSettings(endpoint=seen.endpoint), service="test"):
        asyncio.run(search())
    spans = spans_of(seen)
    assert spans["one"].parent == spans["other"].parent == spans["request"].id


async def _stage(name: str) -> None:
    with span(name):
        await asyncio.sleep(0)


def test_what_belongs_to_no_request_begins_no_trace(seen: Collector) -> None:
    with open_tracing(TracingSettings(endpoint=seen.endpoint), service="test"):
        with span("chore"), span("send learn", "producer"):
            note_span("SELECT", "client", 0.1, {})
            assert carried() == {}
        with span("process learn", "consumer"):
            pass
    assert spans_of(seen).keys() == {"process learn"}


def test_a_share_is_recorded_and_what_was_decided_elsewhere_holds(seen: Collector) -> None:
    with open_tracing(TracingSettings(endpoint=seen.endpoint, share=0.0), service="test"):
        with span("unseen", "server") as here:
            assert here.trace_id is None
            assert not int(carried()["traceparent"][-2:], 16) & SAMPLED
        with continued(SENT), span("seen", "server"):
            pass
    assert spans_of(seen).keys() == {"seen"}


def test_a_missing_extra_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "embedding_studio.infra.otlp", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    settings = TracingSettings(endpoint="http://localhost:1")
    with (
        pytest.raises(UnavailableError, match=r"embedding-studio\[telemetry\]"),
        open_tracing(settings, service="test"),
    ):
        pass


def test_nothing_of_it_is_loaded_unless_it_is_wanted() -> None:
    program = """
import sys, embedding_studio.api, embedding_studio.worker
assert not {"embedding_studio.infra.otlp", "opentelemetry.sdk.trace"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", program], timeout=120, check=True)


def test_a_collector_that_is_not_there_costs_spans_and_nothing_else() -> None:
    with (
        open_tracing(TracingSettings(endpoint="http://127.0.0.1:1/v1/traces", timeout=0.2), service="test"),
        span("request", "server"),
    ):
        pass
