"""Bring your own vectors: searched by vector, or lexically by the payload's text."""

from embedding_studio.sdk import EmbeddingPlugin

plugin = EmbeddingPlugin(name="vectors", encoder=None)
