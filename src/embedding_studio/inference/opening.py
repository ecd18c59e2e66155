"""The encoders of a process, with the engine that the settings choose."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from embedding_studio.inference.encoders import Encoders
from embedding_studio.inference.fetching import Fetcher
from embedding_studio.inference.settings import InferenceSettings

__all__ = ["open_encoders"]


@asynccontextmanager
async def open_encoders(settings: InferenceSettings, fetcher: Fetcher) -> AsyncIterator[Encoders]:
    """Yield the encoders. The client of Triton, an extra, is imported only where Triton is the engine."""
    async with AsyncExitStack() as stack:
        triton = None
        if settings.engine == "triton":
            from embedding_studio.inference.triton import open_triton_models  # noqa: PLC0415  # see above

            triton = await stack.enter_async_context(open_triton_models(settings.triton, settings.encoders))
        encoders = Encoders(settings, fetcher, triton)
        stack.callback(encoders.close)
        yield encoders
