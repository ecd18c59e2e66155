"""What a worker shows of itself."""

import socket

import httpx
import pytest

from embedding_studio import __version__
from embedding_studio.infra import metrics
from embedding_studio.infra.embedded import free_port
from embedding_studio.infra.metrics import COLLECTIONS, MetricsSettings, collection_label, metrics_served
from embedding_studio.kernel.errors import ConflictError


def test_a_worker_shows_its_metrics_while_it_runs() -> None:
    port = free_port()
    with metrics_served(MetricsSettings(port=port), role="upsert"):
        text = httpx.get(f"http://127.0.0.1:{port}/metrics").text
    assert 'embedding_studio_build_info{python="' in text
    assert f'role="upsert",version="{__version__}"}} 1.0' in text
    with pytest.raises(httpx.TransportError):
        httpx.get(f"http://127.0.0.1:{port}/metrics")


def test_without_a_port_it_shows_none() -> None:
    with metrics_served(MetricsSettings(), role="upsert"):
        pass


def test_a_port_that_is_taken_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConflictError, match=str(port)), metrics_served(MetricsSettings(port=port), role="upsert"):
            pass


def test_collections_have_names_of_their_own_up_to_a_hundred(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "_named", set())
    first = [collection_label(f"c{number}") for number in range(COLLECTIONS)]
    assert first == [f"c{number}" for number in range(COLLECTIONS)]
    assert {collection_label("one more"), collection_label("another")} == {"(others)"}
    assert collection_label("c7") == "c7"
