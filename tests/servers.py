"""The real servers, for tests."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tritonclient.grpc import InferenceServerClient

from embedding_studio.infra.embedded import Server, ServerUrls, Supervisor, start_servers, start_triton

__all__ = ["answered_requests", "embedded_servers", "loaded_models", "triton_server"]

_TRITON = Path(os.environ.get("TRITON_ENVIRONMENT", Path(__file__).parents[1] / ".triton"))


@contextmanager
def embedded_servers() -> Iterator[ServerUrls]:
    """The three servers on a temporary folder, careless of power cuts; to be entered in the main thread."""
    with tempfile.TemporaryDirectory(prefix="embedding-studio-") as folder, Supervisor() as supervisor:
        yield start_servers(supervisor, Path(folder), durable=False)


@contextmanager
def triton_server(folder: Path, repository: Path) -> Iterator[Server]:
    """A real Triton; where its environment was not made, the test is skipped."""
    if not _TRITON.is_dir():
        pytest.skip(f"needs a Triton: make {_TRITON.name}/.ready")
    with Supervisor() as supervisor:
        server = start_triton(supervisor, folder, environment=_TRITON, repository=repository)
        server.url_when_ready()
        yield server


def loaded_models(url: str) -> set[str]:
    """The models that a Triton can be asked for."""
    with InferenceServerClient(url) as client:
        models = client.get_model_repository_index(as_json=True).get("models", [])
    return {model["name"] for model in models if model.get("state") == "READY"}


def answered_requests(url: str, model: str) -> int:
    """How many requests a Triton has answered since it loaded the model; warming up does not count."""
    with InferenceServerClient(url) as client:
        return int(client.get_inference_statistics(model).model_stats[0].inference_stats.success.count)
