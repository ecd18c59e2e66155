"""Section `observing`: what recording sessions, access lines and traces cost a search, by turns in one run."""

import os
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx

from embedding_studio.bench.figures import Figure, at_most, seen
from embedding_studio.bench.search.stage import VECTORS, Stage, caller, search_path, vector_query
from embedding_studio.bench.search.timing import Call, Times, by_turns
from embedding_studio.bench.search.wire import Wire, post
from embedding_studio.infra.embedded import free_port
from embedding_studio.settings import PREFIX

__all__ = ["measure_observing"]

_NAME = "observing"
_QUERIES = 2_000
_TRACKING = 1.05
_READY_WITHIN_S = 60.0


async def measure_observing(stage: Stage) -> list[Figure]:
    """Searches by vector: tracked beside untracked; and untracked by APIs that log or trace beside one that does not.

    Each of these APIs is a process of its own, which may be a little faster or slower than another for no reason: two
    that are the same tell how much.
    """
    queries, _ = stage.vectors.queries(_QUERIES)
    tracked, untracked = (
        [post(search_path(VECTORS), vector_query(query, track=track)) for query in queries] for track in (True, False)
    )
    stage.say(f"Searching {_QUERIES:,} times, tracked and untracked")
    wire = stage.wire()
    with_session, without = await by_turns([caller(wire, tracked), caller(wire, untracked)], _QUERIES)
    wire.close()
    stage.say("Searching with logs and traces, and without")
    quiet, twin, logs, traces = await _watched(stage, untracked)
    return [
        at_most(_NAME, "tracked_p50", with_session.p50, _TRACKING * without.p50, unit="ms", floor=without.p50),
        seen(_NAME, "tracked_p99", with_session.p99, "ms", floor=without.p99),
        seen(_NAME, "twin_p50", twin.p50, "ms", floor=quiet.p50),
        seen(_NAME, "logs_p50", logs.p50, "ms", floor=quiet.p50),
        seen(_NAME, "traces_p50", traces.p50, "ms", floor=quiet.p50),
    ]


async def _watched(stage: Stage, requests: list[bytes]) -> list[Times]:
    with ExitStack() as held:
        endpoint = held.enter_context(_sink())
        quiet = {"LOG__LEVEL": "warning"}
        logs = {"LOG__LEVEL": "info", "LOG__AS_JSON": "true"}
        kinds: Sequence[Mapping[str, str]] = (quiet, quiet, logs, {**logs, "TRACING__ENDPOINT": endpoint})
        calls = [_api(stage, number, kind, requests, held) for number, kind in enumerate(kinds)]
        return await by_turns(calls, len(requests))


def _api(stage: Stage, number: int, settings: Mapping[str, str], requests: list[bytes], held: ExitStack) -> Call:
    """What searches by an API of these settings, which ends with `held`."""
    port = free_port()
    ours = {f"{PREFIX}{name}": value for name, value in {**settings, "API__PORT": str(port)}.items()}
    api = stage.supervisor.start(
        f"api {number}",
        [sys.executable, "-m", "embedding_studio", "serve"],
        log=stage.data_dir / "logs" / f"api-{number}.log",
        env={**os.environ, **ours},
    )
    held.callback(api.stop, 10.0)
    api.wait_until(lambda: _is_ready(stage.host, port), _READY_WITHIN_S)
    wire = Wire(stage.host, port)
    held.callback(wire.close)
    return caller(wire, requests)


def _is_ready(host: str, port: int) -> bool:
    try:
        return httpx.get(f"http://{host}:{port}/health/ready").is_success
    except httpx.TransportError:
        return False


class _Swallow(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing of it."""


@contextmanager
def _sink() -> Iterator[str]:
    """The address of a collector that keeps nothing."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Swallow) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/v1/traces"
        finally:
            server.shutdown()
            thread.join()
