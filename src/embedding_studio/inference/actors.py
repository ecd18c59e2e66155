"""What the inference workers do."""

from collections.abc import Sequence
from pathlib import Path

from embedding_studio.inference.jobs import DEPLOY
from embedding_studio.ml.clip import export_clip
from embedding_studio.ml.cross import export_cross_encoder
from embedding_studio.ml.export import export_encoder
from embedding_studio.sdk import EncoderSource
from embedding_studio.tasks import Handler, Job

__all__ = ["export_missing", "handlers"]


def handlers(deploy: Handler) -> dict[Job, Handler]:
    """The jobs of this context and what does them; `deploy` stands above it, as it may build an index."""
    return {DEPLOY: deploy}


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
