"""The HTTP API."""

from embedding_studio.api.app import create_app
from embedding_studio.api.server import serve

__all__ = ["create_app", "serve"]
