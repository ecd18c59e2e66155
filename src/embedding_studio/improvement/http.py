"""The endpoints of the click memory."""

from typing import Annotated

from litestar import Controller, delete, get
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, QueryParameter

from embedding_studio.improvement.schemas import ClickPage, ClickView
from embedding_studio.improvement.service import ImprovementService
from embedding_studio.kernel.cursors import decode_cursor, encode_cursor
from embedding_studio.kernel.storable import refuse_unstorable

__all__ = ["MemoryController"]

_Name = Annotated[str | None, QueryParameter(min_length=1, max_length=512)]


class MemoryController(Controller):
    """What was remembered of clicks."""

    path = "/api/v1/collections/{name:str}/memory"
    tags = ("memory",)

    @get()
    async def list_rows(
        self,
        improvement: NamedDependency[ImprovementService],
        name: FromPath[str],
        item_id: _Name = None,
        user_id: _Name = None,
        cursor: FromQuery[str | None] = None,
        limit: Annotated[int, QueryParameter(ge=1, le=1000)] = 100,
    ) -> ClickPage:
        """List the rows of the memory that serves, of an item or a user if these are given."""
        refuse_unstorable(item_id, "item_id")
        refuse_unstorable(user_id, "user_id")
        session, item = decode_cursor(cursor, str, str) if cursor else ("", "")
        rows = await improvement.page(name, item_id=item_id, user_id=user_id, after=(session, item), limit=limit)
        views = [ClickView.of(query, click, speaks=speaks) for query, speaks, click in rows]
        full = len(views) == limit
        return ClickPage(views, encode_cursor(views[-1].session_id, views[-1].item_id) if full else None)

    @delete(status_code=204)
    async def forget(
        self,
        improvement: NamedDependency[ImprovementService],
        name: FromPath[str],
        item_id: _Name = None,
        user_id: _Name = None,
    ) -> None:
        """Forget the rows of an item, of a user, or of both; of everything, if none is given."""
        refuse_unstorable(item_id, "item_id")
        refuse_unstorable(user_id, "user_id")
        await improvement.forget(name, item_id=item_id, user_id=user_id)
