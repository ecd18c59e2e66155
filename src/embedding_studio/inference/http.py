"""The endpoints of models, deployments and embeddings."""

from typing import Annotated

from litestar import Controller, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from embedding_studio.inference.deployment import DeploymentService
from embedding_studio.inference.embeddings import EmbeddingService
from embedding_studio.inference.schemas import Deploy, Embed, Embedded, ModelPage, ModelView
from embedding_studio.inference.service import ModelService
from embedding_studio.kernel.cursors import decode_cursor, encode_cursor
from embedding_studio.tasks import Accepted, Idempotency
from embedding_studio.vector_store import BASE_MODEL_VERSION, Catalog, CollectionService

__all__ = ["ModelController"]

_NEWEST = 2**31 - 1


class ModelController(Controller):
    """Models of a collection: what there is, what serves, and vectors by any of them."""

    path = "/api/v1/collections/{name:str}"
    tags = ("models",)

    @get("/models")
    async def list_models(
        self,
        collections: NamedDependency[CollectionService],
        models: NamedDependency[ModelService],
        catalog: NamedDependency[Catalog],
        name: FromPath[str],
        cursor: FromQuery[str | None] = None,
        limit: Annotated[int, QueryParameter(ge=1, le=1000)] = 100,
    ) -> ModelPage:
        """List model versions, newest first."""
        collection = await collections.current(name)
        before = decode_cursor(cursor, int)[0] if cursor else _NEWEST
        found = await models.page(collection, before=before, limit=limit)
        deployed = await catalog.deployed_versions(collection.id)
        views = [ModelView.of(model, collection, deployed) for model in found]
        if len(views) < limit and before > BASE_MODEL_VERSION:
            return ModelPage([*views, ModelView.base(collection, deployed)], None)
        return ModelPage(views, encode_cursor(views[-1].version) if views else None)

    @post("/models/{version:int}/deploy", status_code=202)
    async def deploy(
        self,
        collections: NamedDependency[CollectionService],
        deployments: NamedDependency[DeploymentService],
        idempotency: NamedDependency[Idempotency | None],
        name: FromPath[str],
        version: FromPath[int],
        data: JSONBody[Deploy | None] = None,
    ) -> Accepted:
        """Deploy a model; one that the gate refused needs `force` and a `note`."""
        wish = data or Deploy()
        task = await deployments.request(
            await collections.current(name),
            version,
            force=wish.force,
            note=wish.note,
            idempotency=idempotency,
        )
        return Accepted(task.id)

    @post("/rollback", status_code=202)
    async def roll_back(
        self,
        collections: NamedDependency[CollectionService],
        deployments: NamedDependency[DeploymentService],
        idempotency: NamedDependency[Idempotency | None],
        name: FromPath[str],
    ) -> Accepted:
        """Go back to the previous deployment."""
        task = await deployments.request_rollback(await collections.current(name), idempotency=idempotency)
        return Accepted(task.id)

    @post("/embed", status_code=200)
    async def embed(
        self,
        collections: NamedDependency[CollectionService],
        embeddings: NamedDependency[EmbeddingService],
        name: FromPath[str],
        data: JSONBody[Embed],
    ) -> Embedded:
        """Embed texts with the deployed model, or with the version asked for."""
        collection = await collections.get(name)
        version = data.model_version or collection.model_version
        vectors = await embeddings.embed(collection, data.texts, data.kind, model_version=version, any_index=True)
        return Embedded(vectors.tolist(), version)
