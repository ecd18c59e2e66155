"""Worker processes."""

from embedding_studio.worker.main import run_worker
from embedding_studio.worker.roles import ROLES

__all__ = ["ROLES", "run_worker"]
