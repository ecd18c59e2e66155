"""Whether a collection can serve an arm at all."""

from embedding_studio.experiments.models import Arm
from embedding_studio.inference import ModelNotFoundError, ModelService
from embedding_studio.kernel.errors import InvalidError
from embedding_studio.sdk import EmbeddingPlugin
from embedding_studio.vector_store import BASE_MODEL_VERSION, Collection

__all__ = ["check_arm"]


async def check_arm(
    collection: Collection, plugin: EmbeddingPlugin, models: ModelService, arm: Arm, *, place: str = ""
) -> None:
    """Refuse an arm of a model that there is not, or of a ranking that cannot be.

    Args:
        collection: Which.
        plugin: Of the collection.
        models: Of all collections.
        arm: What is to serve.
        place: Where the arm stands in the request, with a point behind it.

    Raises:
        InvalidError: Names the place.
    """
    if plugin.gives_vectors and arm.overrides.mode in {"vector", "hybrid"}:
        raise InvalidError.at(
            f"{place}ranking.mode", "items bring their own vectors, so words alone are searched lexically"
        )
    if arm.model_version == BASE_MODEL_VERSION:
        return
    try:
        await models.get(collection, arm.model_version)
    except ModelNotFoundError as error:
        raise InvalidError.at(f"{place}model_version", error.detail) from None
