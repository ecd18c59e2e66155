"""Models that plugins name, exported to ONNX; the one module of this context that loads torch."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from embedding_studio.inference.fetching import Fetcher
from embedding_studio.inference.loading import is_exported
from embedding_studio.inference.shared import share_export
from embedding_studio.infra.objects import Objects
from embedding_studio.ml.clip import export_clip
from embedding_studio.ml.cross import export_cross_encoder
from embedding_studio.ml.export import export_encoder
from embedding_studio.sdk import EncoderSource

__all__ = ["export_for_all", "export_missing"]


async def export_for_all(sources: Sequence[EncoderSource], folder: Path, objects: Objects) -> None:
    """Have the models in `folder`, and among the objects where other machines look for them.

    What another machine has exported is fetched, so that all have the same.

    Raises:
        UnavailableError: A model cannot be loaded, or the objects cannot be reached.
        InvalidError: A model is of a kind that cannot be served.
    """
    if objects.is_shared:
        fetcher = Fetcher(objects, folder)
        for source in [one for one in sources if not is_exported(folder, one)]:
            await fetcher.fetch(source)
    await asyncio.to_thread(export_missing, sources, folder)
    if objects.is_shared:
        for source in sources:
            await share_export(objects, source, folder / source.key)


def export_missing(sources: Sequence[EncoderSource], folder: Path) -> None:
    """Export the models that are not in `folder` yet.

    Raises:
        UnavailableError: A model cannot be loaded.
        InvalidError: A model is of a kind that cannot be served.
    """
    for source in sources:
        match source.kind:
            case "text":
                prompts = {"query_prompt": source.query_prompt, "item_prompt": source.item_prompt}
                export_encoder(source.model, folder / source.key, **prompts)
            case "clip":
                export_clip(source.model, folder / source.key)
            case "pair":
                export_cross_encoder(source.model, folder / source.key)
