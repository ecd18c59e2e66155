"""The endpoints of items."""

from typing import Annotated, Any
from urllib.parse import unquote

import msgspec
from litestar import Controller, Request, Response, delete, get, post, put
from litestar.datastructures import State
from litestar.di import NamedDependency, Provide
from litestar.openapi import ResponseSpec
from litestar.params import FromPath, JSONBody, QueryParameter

from embedding_studio.access import needs
from embedding_studio.kernel.errors import InvalidError, NotFoundError
from embedding_studio.tasks import Accepted, Idempotency, TaskService, TaskView
from embedding_studio.upsertion.domain import NewItem
from embedding_studio.upsertion.schemas import DeleteItems, EstimateView, Ingest, ItemBatch, ItemBody, ItemId, Reindex
from embedding_studio.upsertion.service import UpsertionService
from embedding_studio.vector_store import StoredItem

__all__ = ["ContentController", "ItemController", "item_id_of"]

_SEGMENTS_BEFORE_ID = 6
_ONE_ITEM = ["/{id_path:path}", "/delete"]  # an item may be called `delete`


async def item_id_of(request: Request[Any, Any, State]) -> str:
    """The last part of the address as it was sent: an id may contain any character, slashes included.

    Raises:
        NotFoundError: The address has slashes, plain or encoded, that are not part of the id.
        InvalidError: No item can have such an id.
    """
    segments = request.scope["raw_path"].split(b"?")[0].split(b"/", _SEGMENTS_BEFORE_ID)
    if segments[_SEGMENTS_BEFORE_ID - 1 : -1] != [b"items"] or unquote(segments[4]) != request.path_params["name"]:
        raise NotFoundError("no such address")
    try:
        return msgspec.convert(unquote(segments[_SEGMENTS_BEFORE_ID], errors="strict"), ItemId)
    except (UnicodeDecodeError, msgspec.ValidationError) as error:
        raise InvalidError.at("id", str(error)) from None


class ItemController(Controller):
    """Items of a collection."""

    path = "/api/v1/collections/{name:str}/items"
    tags = ("items",)
    opt = needs("ingest")
    dependencies = {"item_id": Provide(item_id_of)}  # noqa: RUF012  # Litestar declares it as an instance's

    @post(status_code=202, responses={200: ResponseSpec(TaskView, generate_examples=False, description="With `wait`.")})
    async def upsert_items(
        self,
        upsertion: NamedDependency[UpsertionService],
        tasks: NamedDependency[TaskService],
        idempotency: NamedDependency[Idempotency | None],
        name: FromPath[str],
        data: JSONBody[ItemBatch],
        wait: Annotated[bool, QueryParameter()] = False,  # noqa: FBT002  # a query parameter
    ) -> Response[Accepted | TaskView]:
        """Write items; with `wait`, answer when they are searchable or 30 s have passed."""
        task = await upsertion.submit(name, [item.to_domain() for item in data.items], idempotency=idempotency)
        if not wait:
            return Response(Accepted(task.id), status_code=202)
        return Response(TaskView.of(await tasks.wait(task.id)), status_code=200)

    @post("/delete", status_code=202)
    async def delete_items(
        self,
        upsertion: NamedDependency[UpsertionService],
        idempotency: NamedDependency[Idempotency | None],
        name: FromPath[str],
        data: JSONBody[DeleteItems],
    ) -> Accepted:
        """Delete items by id or by filter; what is accepted after this stays."""
        if (data.ids is None) == (data.filter is None):
            raise InvalidError.at("ids", "give either ids or a filter")
        task = await upsertion.delete_many(
            name, item_ids=data.ids or (), filter_tree=data.filter, idempotency=idempotency
        )
        return Accepted(task.id)

    @put(_ONE_ITEM)
    async def put_item(
        self,
        upsertion: NamedDependency[UpsertionService],
        item_id: NamedDependency[str],
        name: FromPath[str],
        data: JSONBody[ItemBody],
    ) -> StoredItem:
        """Write one item; it is searchable when this answers."""
        if data.id not in (None, item_id):
            raise InvalidError.at("id", "is not the id in the address")
        return await upsertion.put(name, NewItem(item_id, data.payload, data.source, data.vector))

    @get(_ONE_ITEM)
    async def get_item(
        self,
        upsertion: NamedDependency[UpsertionService],
        item_id: NamedDependency[str],
        name: FromPath[str],
    ) -> StoredItem:
        """Look at an item."""
        return await upsertion.get(name, item_id)

    @delete(_ONE_ITEM)
    async def delete_item(
        self,
        upsertion: NamedDependency[UpsertionService],
        item_id: NamedDependency[str],
        name: FromPath[str],
    ) -> None:
        """Delete an item."""
        await upsertion.delete(name, item_id)


class ContentController(Controller):
    """All of a collection's content at once: pulled in, or moved to a new index."""

    path = "/api/v1/collections/{name:str}"
    tags = ("items",)

    @post("/ingest", status_code=202, opt=needs("ingest"))
    async def ingest(
        self,
        upsertion: NamedDependency[UpsertionService],
        idempotency: NamedDependency[Idempotency | None],
        name: FromPath[str],
        data: JSONBody[Ingest],
    ) -> Accepted:
        """Pull items through a loader of the collection's plugin."""
        return Accepted((await upsertion.ingest(name, data.loader, data.options, idempotency=idempotency)).id)

    @post("/reindex", status_code=202)
    async def reindex(
        self,
        upsertion: NamedDependency[UpsertionService],
        idempotency: NamedDependency[Idempotency | None],
        name: FromPath[str],
        data: JSONBody[Reindex],
    ) -> Accepted:
        """Fill a new index beside the one that serves, verify it and switch to it."""
        task = await upsertion.reindex(
            name, model_version=data.model_version, share=data.share, idempotency=idempotency
        )
        return Accepted(task.id)

    @post("/optimize", status_code=202)
    async def optimize(
        self,
        upsertion: NamedDependency[UpsertionService],
        idempotency: NamedDependency[Idempotency | None],
        name: FromPath[str],
    ) -> Accepted:
        """Build missing indexes, give back unused space, refresh statistics."""
        return Accepted((await upsertion.optimize(name, idempotency=idempotency)).id)

    @get("/reindex/estimate")
    async def estimate(self, upsertion: NamedDependency[UpsertionService], name: FromPath[str]) -> EstimateView:
        """Say what a reindex would take."""
        one = await upsertion.estimate(name)
        return EstimateView(one.items, one.parts, one.seconds, one.bytes)
