"""Triton from the `nvidia-pytriton` wheel on loopback ports: a real server where no container runs."""

import os
import shutil
from pathlib import Path

import httpx

from embedding_studio.infra.embedded.children import Supervisor
from embedding_studio.infra.embedded.ports import LOOPBACK, free_port
from embedding_studio.infra.embedded.server import Server
from embedding_studio.kernel.errors import UnavailableError

__all__ = ["start_triton"]

_REPLY_DEADLINE_S = 1.0


def start_triton(supervisor: Supervisor, data_dir: Path, *, environment: Path, repository: Path) -> Server:
    """Start a Triton that loads what it is told to; its url is host:port of its gRPC service.

    Args:
        supervisor: Owner of the process.
        data_dir: Of its log, and of the backends as Triton wants them laid.
        environment: A virtual environment with what `config/triton/requirements.txt` names.
        repository: Of models; made if it is not there.

    Raises:
        UnavailableError: There is no such environment.
    """
    packages = next(environment.glob("lib/python3*/site-packages"), environment)
    server = packages / "pytriton" / "tritonserver"
    if not server.is_dir():
        raise UnavailableError(f"{environment} holds no Triton: install config/triton/requirements.txt there")
    repository.mkdir(parents=True, exist_ok=True)
    grpc, http = free_port(), free_port()
    options = {
        "model-repository": repository,
        "model-control-mode": "explicit",
        "backend-directory": _lay_backends(server, packages.parent.name, data_dir / "triton"),
        "backend-config": f"python,shm-region-prefix-name=triton{grpc}",
        "grpc-address": LOOPBACK,
        "grpc-port": grpc,
        "http-address": LOOPBACK,
        "http-port": http,
        "allow-metrics": "false",
        "exit-timeout-secs": 5,
    }
    child = supervisor.start(
        "triton",
        [server / "bin" / "tritonserver", *(f"--{name}={value}" for name, value in options.items())],
        log=data_dir / "logs" / "triton.log",
        env={
            **os.environ,
            "LD_LIBRARY_PATH": f"{packages / 'nvidia_pytriton.libs'}:{os.environ.get('LD_LIBRARY_PATH', '')}",
            "MODEL_SITE_PACKAGES": str(packages),
        },
    )
    return Server(child, f"{LOOPBACK}:{grpc}", lambda: _answers(http))


def _lay_backends(server: Path, python: str, folder: Path) -> Path:
    """The Python backend with the stub of the environment's Python beside it, as Triton looks for them."""
    backend = folder / "backends" / "python"
    shutil.copytree(server / "backends" / "python", backend, dirs_exist_ok=True)
    version = python.removeprefix("python")
    shutil.copy2(server / "python_backend_stubs" / version / "triton_python_backend_stub", backend)
    return backend.parent


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://{LOOPBACK}:{port}/v2/health/live", timeout=_REPLY_DEADLINE_S).is_success
    except httpx.TransportError:
        return False
