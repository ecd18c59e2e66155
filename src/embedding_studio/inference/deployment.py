"""Deploying a model by moving a pointer, and moving it back."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

from embedding_studio.inference.embeddings import EmbeddingService
from embedding_studio.inference.errors import NothingToRollBackError, RefusedModelError
from embedding_studio.inference.jobs import DEPLOY
from embedding_studio.inference.service import ModelService
from embedding_studio.tasks import Idempotency, Outcome, Run, Task, TaskService
from embedding_studio.vector_store import BASE_MODEL_VERSION, Catalog, Collection

__all__ = ["BeforeSwitch", "DeploymentService"]

BeforeSwitch = Callable[[Collection], Awaitable[None]]
"""Makes ready what a collection needs that will be as it is said."""


class DeploymentService:
    """Once a deployment has succeeded, every process serves it."""

    def __init__(
        self,
        *,
        catalog: Catalog,
        models: ModelService,
        embeddings: EmbeddingService,
        tasks: TaskService,
        before_switch: BeforeSwitch,
        seen_within: float,
    ) -> None:
        self._catalog = catalog
        self._models = models
        self._embeddings = embeddings
        self._tasks = tasks
        self._before_switch = before_switch
        self._seen_within = seen_within

    async def request(
        self,
        collection: Collection,
        version: int,
        *,
        force: bool = False,
        note: str | None = None,
        idempotency: Idempotency | None = None,
    ) -> Task:
        """Accept a deployment.

        Raises:
            ModelNotFoundError: There is no such version.
            RefusedModelError: The gate did not promote it, and nobody insists with a note.
        """
        if version != BASE_MODEL_VERSION:
            decision = (await self._models.get(collection, version)).decision
            if decision != "promote" and not (force and note and note.strip()):
                raise RefusedModelError(version, decision)
        payload: dict[str, object] = {"model_version": version, "from": collection.deployment_id, "note": note or ""}
        return await self._tasks.submit(
            DEPLOY,
            collection=collection.name,
            payload={**payload, "share": 1.0},
            is_bulk=await self._models.needs_index(collection, version),
            idempotency=idempotency,
        )

    async def request_rollback(self, collection: Collection, *, idempotency: Idempotency | None = None) -> Task:
        """Accept a rollback to the deployment before the present one.

        Raises:
            NothingToRollBackError: There is none.
        """
        if await self._catalog.version_before(collection.deployment_id) is None:
            raise NothingToRollBackError(collection.name)
        payload: dict[str, object] = {"leaving": collection.deployment_id}
        return await self._tasks.submit(DEPLOY, collection=collection.name, payload=payload, idempotency=idempotency)

    async def run(self, run: Run) -> Outcome:
        """Do what was accepted."""
        present = await self._catalog.get(run.collection)
        if "leaving" in run.payload:
            collection = await self._roll_back(present, run.payload["leaving"])
        else:
            collection = await self.switch(
                present,
                run.payload["model_version"],
                task_id=run.task_id,
                note=run.payload["note"],
                leaving=run.payload["from"],
            )
        return Outcome(
            result={"model_version": collection.model_version, "index_version": collection.index_version},
        )

    async def switch(
        self,
        collection: Collection,
        version: int,
        *,
        task_id: str,
        note: str,
        leaving: int | None = None,
    ) -> Collection:
        """Have the model ready, move the pointer, and wait until every process has seen it.

        Raises:
            DeploymentMovedError: The collection does not serve the deployment `leaving` any more.
            BrokenModelError: The model's bytes are not those that were registered.
            OtherEncoderError: It goes with another index than the one that serves.
        """
        await self._models.adapter(collection, version)
        await self._embeddings.make_ready(collection, version)
        await self._before_switch(replace(collection, model_version=version))
        await self._catalog.deploy(
            collection,
            model_version=version,
            task_id=task_id,
            note=note,
            leaving=collection.deployment_id if leaving is None else leaving,
        )
        await asyncio.sleep(self._seen_within)
        return await self._catalog.get(collection.name)

    async def _roll_back(self, collection: Collection, leaving: int) -> Collection:
        await self._embeddings.make_ready(collection, await self._catalog.version_before(leaving) or BASE_MODEL_VERSION)
        collection = await self._catalog.roll_back(collection.name, leaving=leaving)
        await asyncio.sleep(self._seen_within)
        return collection
