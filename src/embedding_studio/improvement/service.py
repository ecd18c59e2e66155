"""The click memory: learning sessions, recalling what is near, forgetting."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any

import asyncpg
import numpy as np
from numpy.typing import NDArray

from embedding_studio.clickstream import ClickstreamRepository, Session, Span
from embedding_studio.improvement.backlog import Backlog
from embedding_studio.improvement.directions import Directions, unit
from embedding_studio.improvement.domain import Click, Direction, NewClicks, clicks_of
from embedding_studio.improvement.repository import Memory, MemoryRepository
from embedding_studio.infra.outages import OUTAGES
from embedding_studio.kernel.errors import StudioError, UnavailableError
from embedding_studio.sdk import Remembered
from embedding_studio.vector_store import Collection, CollectionNotFoundError, CollectionService

__all__ = ["ImprovementService"]

logger = logging.getLogger(__name__)

_SESSIONS_AT_ONCE = 200
_BATCHES_PER_TURN = 10
_WARM = 100
_LEARNED_ANEW = 20_000
_LAST = datetime(9999, 1, 1, tzinfo=UTC)
"""When sessions came that are learned after all others."""

_PREPARED_WITHIN_S = 60.0
_NOT_NOW: tuple[type[Exception], ...] = (StudioError, *OUTAGES)
_UNKNOWN_FOR_S = 0.25
_KNOWN_FOR_S = 30.0

_Spaces = Mapping[tuple[str, int], int]


class ImprovementService:
    """What users chose, remembered by what they asked; nothing of an index is ever written."""

    def __init__(
        self,
        *,
        memories: MemoryRepository,
        backlog: Backlog,
        sessions: ClickstreamRepository,
        directions: Directions,
        collections: CollectionService,
    ) -> None:
        self._memories = memories
        self._backlog = backlog
        self._sessions = sessions
        self._directions = directions
        self._collections = collections
        self._seen: dict[int, tuple[float, _Spaces]] = {}
        self._noted_anew: dict[int, tuple[str, int]] = {}
        self._settled: dict[int, tuple[str, int]] = {}
        self._learning: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def may_know(self, collection: Collection) -> bool:
        """Whether anything was ever learned of the collection; what others learn is seen within a quarter second."""
        return bool(await self._spaces(collection))

    async def near(
        self,
        collection: Collection,
        space: str,
        vector: NDArray[np.float32],
        *,
        user_id: str | None,
        at: datetime,
        revision: int | None = None,
    ) -> tuple[int, dict[str, Remembered]]:
        """What is remembered of items after queries near a vector.

        Args:
            collection: Where it is asked.
            space: The encoder that made the vector.
            vector: Float32, of any length.
            user_id: Who asks.
            at: The time that ages are told from.
            revision: As of then; None: now.

        Returns:
            The memory's revision, 0 if nothing is near, and what is known by item.
        """
        adjuster = self._collections.plugin_of(collection).ranking.adjuster
        asked = (space, len(vector))
        memory = (await self._spaces(collection, asked)).get(asked)
        direction = unit(vector)
        if adjuster is None or memory is None or direction is None:
            return 0, {}
        try:
            return await self._memories.near(memory, direction, adjuster, user_id=user_id, at=at, revision=revision)
        except asyncpg.UndefinedTableError:  # the collection was deleted meanwhile
            self._seen.pop(collection.id, None)
            return 0, {}

    async def prepare(self, collection: Collection) -> None:
        """Learn once more, by another encoder, what the newest sessions taught; for a deployment to switch to.

        A deployment waits a minute at most: the newest come first, and `warm` learns what is left, and what comes
        meanwhile. Where the encoder stays, or nothing was learned yet, there is nothing to do.

        Args:
            collection: As it will serve.
        """
        try:
            async with asyncio.timeout(_PREPARED_WITHIN_S):
                await self._prepare(collection)
        except _NOT_NOW as error:
            logger.warning("%r is deployed before its memory is learned: %s", collection.name, error)

    async def _prepare(self, collection: Collection) -> None:
        if self._collections.plugin_of(collection).ranking.adjuster is None:
            return
        for some in await self._to_learn_anew(collection, await self._directions.serving(collection)):
            await self._learn_of(collection, some)

    async def revisions(self, *, limit: int) -> dict[str, int]:
        """The newest revision of the memory by collection, of `limit` collections."""
        return await self._memories.revisions(limit=limit)

    async def lags(self, *, limit: int) -> list[tuple[str, int, datetime]]:
        """By collection, how many sessions wait to be learned, and since when the first does; of the `limit` oldest."""
        return await self._backlog.lags(limit=limit)

    async def warm(self) -> None:
        """Make ready what the next click and search need; does nothing where that is done.

        Encoders of queries are read, so that no click waits for one. Where another encoder serves than before, what the
        newest sessions taught is learned once more with its vectors.
        """
        for collection in await self._collections.page(after="", limit=_WARM):
            with suppress(UnavailableError):
                if self._collections.plugin_of(collection).ranking.adjuster is not None:
                    await self._settle(collection)

    async def _settle(self, collection: Collection) -> None:
        serving = await self._directions.serving(collection)
        if self._settled.get(collection.id) != serving:
            await self._directions.warm(collection)
            if await self._learn_anew(collection, serving):
                self._settled[collection.id] = serving

    async def _learn_anew(self, collection: Collection, serving: tuple[str, int]) -> bool:
        """Learn a turn's share once more; says whether that was all."""
        if self._noted_anew.get(collection.id) != serving:
            for some in await self._to_learn_anew(collection, serving):
                await self._backlog.add(collection.name, some, _LAST)
            self._noted_anew[collection.id] = serving
        if await self.learn(collection.name):
            return False
        await self._memories.note_whole(collection, *serving)
        return True

    async def _to_learn_anew(self, collection: Collection, serving: tuple[str, int]) -> list[list[str]]:
        """The newest sessions, in batches; none where no other encoder served, or the memory of this one is whole."""
        known = await self._memories.find(collection)
        memory = known.get(serving)
        if not known.keys() - {serving} or (memory is not None and await self._memories.is_whole(memory)):
            return []
        sessions = await self._sessions.page(
            collection.name, Span(), user_id=None, has_events=True, past=None, limit=_LEARNED_ANEW
        )
        ids = [one["_id"] for one in sessions]
        return [ids[start : start + _SESSIONS_AT_ONCE] for start in range(0, len(ids), _SESSIONS_AT_ONCE)]

    async def learn(self, name: str) -> bool:
        """Learn sessions of a collection that wait for it; says whether more may wait. Safe to do twice and at once.

        It ends with a batch that is not full, as it would never overtake events that go on, and after a few full ones,
        as other collections wait for theirs.
        """
        async with self._learning[name]:
            for _ in range(_BATCHES_PER_TURN):
                if not await self._learn_next(name):
                    return False
        return True

    async def forget_session(self, session: Session) -> None:
        """Undo what a session taught; it teaches nothing from then on if it is irrelevant or gone."""
        try:
            collection = await self._collections.get(session.collection)
        except CollectionNotFoundError:
            return
        await self._forget(collection, session_id=session.id)

    async def forget_user(self, user_id: str) -> dict[str, int]:
        """Delete what the memories of all collections know of a user, whose sessions are gone already."""
        forgotten = 0
        for memory_id in await self._memories.of_user(user_id):
            async with self._holding(memory_id) as memory:
                forgotten += await memory.delete("user_id = $1", user_id) if memory else 0
        return {"memory": forgotten}

    async def forget(self, name: str, *, item_id: str | None = None, user_id: str | None = None) -> None:
        """Delete the rows of an item, of a user, of both, or all of them.

        Raises:
            CollectionNotFoundError: There is no such collection.
        """
        await self._forget(await self._collections.current(name), item_id=item_id, user_id=user_id)

    async def page(
        self, name: str, *, item_id: str | None, user_id: str | None, after: tuple[str, str], limit: int
    ) -> list[tuple[str, bool, Click]]:
        """Rows of the memory that serves, by session and item: the query, whether it speaks for its user, the row.

        Raises:
            CollectionNotFoundError: There is no such collection.
        """
        collection = await self._collections.current(name)
        memory = (await self._memories.find(collection)).get(await self._directions.serving(collection))
        if memory is None:
            return []
        return await self._memories.page(memory, item_id=item_id, user_id=user_id, after=after, limit=limit)

    async def _learn_next(self, name: str) -> bool:
        """Learn the sessions that have waited longest; says whether more may wait."""
        stamps = await self._backlog.next(name, limit=_SESSIONS_AT_ONCE)
        if stamps:
            await self._learn(name, list(stamps))
            await self._backlog.done(stamps)
            logger.info("sessions were learned", extra={"collection": name, "sessions": list(stamps)})
        return len(stamps) == _SESSIONS_AT_ONCE

    async def _learn(self, name: str, session_ids: Sequence[str]) -> None:
        try:
            collection = await self._collections.current(name)
        except CollectionNotFoundError:
            return
        if self._collections.plugin_of(collection).ranking.adjuster is not None:
            await self._learn_of(collection, session_ids)

    async def _learn_of(self, collection: Collection, session_ids: Sequence[str]) -> None:
        """Learn sessions by the encoder that the collection serves, or will serve."""
        documents = await self._sessions.documents(session_ids)
        here = {one: session for one, session in documents.items() if session["collection"] == collection.name}
        directions = await self._directions.of(collection, here)
        spaces = {(one.space, len(one.vector)) for one in directions.values()}
        for encoder, dimensions in sorted(spaces):
            memory_id = await self._memories.make(collection, encoder, dimensions)
            self._seen.pop(collection.id, None)
            if memory_id is not None:
                of_space = {one: way for one, way in directions.items() if way.space == encoder}
                await self._learn_into(memory_id, collection, of_space)

    async def _learn_into(self, memory_id: int, collection: Collection, directions: Mapping[str, Direction]) -> None:
        """What sessions say is read while the memory is held: whoever comes later has seen at least as much."""
        gain_of = self._collections.plugin_of(collection).training.build()
        async with self._holding(memory_id) as memory:
            if memory is None:
                return
            documents = await self._sessions.documents(list(directions))
            said = [
                NewClicks(session["_id"], directions[session["_id"]], clicks_of(session, events, gain_of))
                for session, events in await self._sessions.with_events(list(documents.values()))
            ]
            known = await memory.of_sessions([one.session_id for one in said])
            await memory.write(collection, [one for one in said if _says_more(one, known.get(one.session_id, {}))])

    async def _forget(
        self,
        collection: Collection,
        *,
        session_id: str | None = None,
        item_id: str | None = None,
        user_id: str | None = None,
    ) -> None:
        given = {"session_id": session_id, "item_id": item_id, "user_id": user_id}
        named = {column: value for column, value in given.items() if value is not None}
        condition = " AND ".join(f"{column} = ${number}" for number, column in enumerate(named, 1)) or "true"
        for memory_id in (await self._memories.find(collection)).values():
            async with self._holding(memory_id) as memory:
                if memory:
                    await memory.delete(condition, *named.values())

    @asynccontextmanager
    async def _holding(self, memory_id: int) -> AsyncIterator[Memory | None]:
        try:
            async with self._memories.hold(memory_id) as memory:
                yield memory
        except asyncpg.UndefinedTableError:  # the collection was deleted meanwhile
            return

    async def _spaces(self, collection: Collection, wanted: tuple[str, int] | None = None) -> _Spaces:
        """The collection's memories, at most a moment old where there was none, or not the one that is wanted."""
        now = asyncio.get_running_loop().time()
        seen_at, spaces = self._seen.get(collection.id, (-_KNOWN_FOR_S, {}))
        is_known = bool(spaces) if wanted is None else wanted in spaces
        if now - seen_at > (_KNOWN_FOR_S if is_known else _UNKNOWN_FOR_S):
            spaces = await self._memories.find(collection)
            self._seen[collection.id] = (now, spaces)
        return spaces


def _says_more(new: NewClicks, known: Mapping[str, tuple[str, Any]]) -> bool:
    """Whether a session says anything else than what is known of it."""
    key = new.direction.key if new.direction else ""
    return {click.item_id: (key, click) for click in new.clicks} != known
