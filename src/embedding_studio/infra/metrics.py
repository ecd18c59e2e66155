"""What every process shows of itself, and where a worker shows it."""

import platform
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import start_http_server
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import REGISTRY, Collector
from pydantic import BaseModel, Field

from embedding_studio import __version__
from embedding_studio.infra.gpu import read_gpus
from embedding_studio.kernel.errors import ConflictError

__all__ = ["COLLECTIONS", "MetricsSettings", "ProcessFacts", "collection_label", "gauge", "metrics_served"]

COLLECTIONS = 100
"""Collections that have a name of their own in metrics, at most; there may be many more of them."""

_OTHERS = "(others)"

_named: set[str] = set()


class MetricsSettings(BaseModel):
    """Where a worker shows its metrics; the API does so at `/metrics`."""

    host: str = "127.0.0.1"
    port: int | None = Field(
        default=None, ge=1, le=65535, description="where `up` starts all roles, the first of several"
    )


def collection_label(name: str) -> str:
    """The collection as metrics name it: the first hundred that this process meets, and `(others)`."""
    if name not in _named and len(_named) >= COLLECTIONS:
        return _OTHERS
    _named.add(name)
    return name


def gauge(name: str, text: str, labels: tuple[str, ...] = ()) -> GaugeMetricFamily:
    """A gauge that is read when it is asked for."""
    return GaugeMetricFamily(f"embedding_studio_{name}", text, labels=labels)


class ProcessFacts(Collector):
    """The version that runs, in which role, and the machine's GPUs."""

    def __init__(self, role: str) -> None:
        self._role = role

    def collect(self) -> Iterator[Metric]:
        """As of now; without GPUs, or without the extra `telemetry`, there is nothing of them."""
        build = gauge("build_info", "The version that runs", ("version", "python", "role"))
        build.add_metric([__version__, platform.python_version(), self._role], 1)
        yield build
        memory = gauge("gpu_memory_bytes", "Memory of GPUs", ("gpu", "state"))
        busy = gauge("gpu_busy_ratio", "Share of the last moments in which a GPU computed", ("gpu",))
        for gpu in read_gpus():
            memory.add_metric([gpu.index, "used"], gpu.memory_used)
            memory.add_metric([gpu.index, "free"], gpu.memory_free)
            busy.add_metric([gpu.index], gpu.busy)
        yield from (one for one in (memory, busy) if one.samples)


@contextmanager
def metrics_served(settings: MetricsSettings, *, role: str) -> Iterator[None]:
    """Show this process's metrics over HTTP, at any path, while the block runs; nothing without a port.

    Raises:
        ConflictError: The port is taken.
    """
    if settings.port is None:
        yield
        return
    facts = ProcessFacts(role)
    try:
        server, thread = start_http_server(settings.port, settings.host)
    except OSError as error:
        raise ConflictError(
            f"cannot show metrics on {settings.host}, port {settings.port}: {error.strerror}"
        ) from error
    REGISTRY.register(facts)
    try:
        yield
    finally:
        REGISTRY.unregister(facts)
        server.shutdown()
        server.server_close()
        thread.join()
