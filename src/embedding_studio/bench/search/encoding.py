"""The bare encoder: what a text costs without the product."""

from collections.abc import Sequence

from embedding_studio.bench.search.timing import Call
from embedding_studio.inference import OnnxEncoder
from embedding_studio.kernel.errors import UnavailableError
from embedding_studio.sdk import EmbeddingPlugin
from embedding_studio.settings import Settings

__all__ = ["bare_encoder", "encode_call"]


def bare_encoder(settings: Settings, plugin: EmbeddingPlugin, *, threads: int) -> OnnxEncoder:
    """The encoder of a plugin, as the product has exported it.

    Raises:
        UnavailableError: The plugin has none.
    """
    if plugin.encoder is None:
        raise UnavailableError(f"the plugin `{plugin.name}` has no encoder")
    return OnnxEncoder.load(settings.inference.encoders / plugin.encoder.build().key, threads=threads)


def encode_call(encoder: OnnxEncoder, queries: Sequence[str]) -> Call:
    """Encodes one query."""

    async def call(number: int) -> object:
        return encoder.encode([queries[number]], "query")

    return call
