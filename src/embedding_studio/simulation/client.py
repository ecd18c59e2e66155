"""The simulated users' view of the product: its HTTP API and nothing else."""

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from types import TracebackType
from typing import Any, Self

import httpx

from embedding_studio.access import authorization
from embedding_studio.kernel.errors import StudioError, UnavailableError
from embedding_studio.kernel.ids import new_id

__all__ = ["Answer", "Asked", "Event", "Item", "RequestRefusedError", "StudioClient"]

_AT_ONCE = 4
_REQUEST_DEADLINE = 60.0
_TASK_DEADLINE = 900.0
_POLL = 0.5
_ITEMS_AT_ONCE = 1_000
_EVENTS_AT_ONCE = 1_000

Event = dict[str, object]
"""An event as the API takes it."""

Item = dict[str, object]
"""An item as the API takes it: `id` and `payload`."""


class RequestRefusedError(StudioError):
    """The API refused something or did not finish it; says what."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a search gave.

    Attributes:
        session_id: None where the search was not recorded.
        at: The time that its session was given; None where that is the time of the search.
    """

    session_id: str | None
    item_ids: tuple[str, ...]
    model_version: int
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """A recorded search to be: a query, who asks it, and when if not now.

    A search of another time is recorded as one that was served elsewhere then.
    """

    text: str
    user_id: str
    at: datetime | None = None


class StudioClient:
    """One collection of one server, over at most four connections.

    Every method raises `UnavailableError` when the server does not answer and `RequestRefusedError` when it refuses.
    """

    def __init__(self, url: str, collection: str, transport: httpx.AsyncBaseTransport | None = None) -> None:
        limits = httpx.Limits(max_connections=_AT_ONCE)
        self._http = httpx.AsyncClient(
            base_url=url,
            headers=authorization(os.environ),
            timeout=_REQUEST_DEADLINE,
            limits=limits,
            transport=transport,
        )
        self._collection = collection
        self._path = f"/api/v1/collections/{collection}"
        self._slots = asyncio.Semaphore(_AT_ONCE)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def recreate(self, plugin: str) -> None:
        """Make the collection anew; one of this name that is there already goes, with all that it learnt."""
        found = await self._send("GET", self._path, missing_ok=True)
        if found:
            await self._send("DELETE", self._path)
        await self._send("POST", "/api/v1/collections", {"name": self._collection, "plugin": plugin})

    async def ensure(self, plugin: str) -> bool:
        """Make the collection if there is none of its name; says whether it did."""
        if await self._send("GET", self._path, missing_ok=True):
            return False
        await self._send("POST", "/api/v1/collections", {"name": self._collection, "plugin": plugin})
        return True

    async def ingest(self, items: Sequence[Item], advance: Callable[[int], None]) -> None:
        """Write all items and wait until they are searchable; `advance` is told how many are, from time to time."""
        tasks = []
        for start in range(0, len(items), _ITEMS_AT_ONCE):
            batch = items[start : start + _ITEMS_AT_ONCE]
            tasks.append(await self._send("POST", f"{self._path}/items", {"items": batch}))
        before = 0
        for task in tasks:
            finished = await self.wait(task["task_id"], _shifted(advance, before))
            before += finished["progress"]["total"]

    async def search_all(
        self, queries: Sequence[Asked | str], *, limit: int, advance: Callable[[], None]
    ) -> list[Answer]:
        """Search for all queries, four at a time; only what somebody asked (`Asked`) leaves a session."""

        async def one(query: Asked | str) -> Answer:
            async with self._slots:
                answer = await self._search(query, limit)
            advance()
            return answer

        return await asyncio.gather(*map(one, queries))

    async def send_events(self, events: Sequence[Event]) -> int:
        """Send events; returns how many were counted."""
        accepted = 0
        for start in range(0, len(events), _EVENTS_AT_ONCE):
            batch = {"events": events[start : start + _EVENTS_AT_ONCE]}
            accepted += (await self._send("POST", "/api/v1/events", batch))["accepted"]
        return accepted

    async def fine_tune(self, track: str = "query_adapter") -> dict[str, Any]:
        """Train on all sessions, deploy what the gate promotes; returns the task's result."""
        task = await self._send("POST", f"{self._path}/fine-tuning", {"track": track, "deploy": "if_better"})
        finished = await self.wait(task["task_id"])
        return dict(finished["result"] or {})

    async def deploy(self, version: int, note: str) -> None:
        """Deploy a model whatever the gate said of it, and wait until it serves."""
        wish = {"force": True, "note": note}
        task = await self._send("POST", f"{self._path}/models/{version}/deploy", wish)
        await self.wait(task["task_id"])

    async def model_version(self) -> int:
        """The version that answers searches."""
        return int((await self._send("GET", self._path))["model_version"])

    async def wait(self, task_id: str, on_progress: Callable[[int], None] | None = None) -> dict[str, Any]:
        """Wait for a task to succeed, for a quarter of an hour at most; returns it."""
        deadline = time.monotonic() + _TASK_DEADLINE
        while time.monotonic() < deadline:
            task: dict[str, Any] = await self._send("GET", f"/api/v1/tasks/{task_id}")
            if on_progress:
                on_progress(task["progress"]["done"])
            if task["state"] == "succeeded":
                return task
            if task["state"] not in {"pending", "running"}:
                raise RequestRefusedError(f"task {task_id} ({task['kind']}) is {task['state']}: {_reason(task)}")
            await asyncio.sleep(_POLL)
        raise UnavailableError(f"task {task_id} did not finish within {_TASK_DEADLINE:.0f} s")

    async def _search(self, query: Asked | str, limit: int) -> Answer:
        asked = query if isinstance(query, Asked) else None
        body: dict[str, object] = {"query": asked.text if asked else query, "limit": limit}
        body["track"] = asked is not None and asked.at is None
        if asked:
            body["user_id"] = asked.user_id
        found = await self._send("POST", f"{self._path}/search", body)
        ids = tuple(result["id"] for result in found["results"])
        answer = Answer(found["session_id"], ids, found["model_version"])
        return await self._dated(asked, asked.at, answer) if asked and asked.at else answer

    async def _dated(self, asked: Asked, at: datetime, answer: Answer) -> Answer:
        session_id = f"sim-{new_id()}"
        session = {
            "session_id": session_id,
            "query": asked.text,
            "user_id": asked.user_id,
            "timestamp": at.isoformat(),
            "model_version": answer.model_version,
            "results": [{"id": item, "position": position} for position, item in enumerate(answer.item_ids, 1)],
        }
        await self._send("POST", f"{self._path}/sessions", session)
        return replace(answer, session_id=session_id, at=at)

    async def _send(self, method: str, path: str, body: object = None, *, missing_ok: bool = False) -> Any:
        try:
            response = await self._http.request(method, path, json=body)
        except httpx.HTTPError as error:
            raise UnavailableError(f"{method} {path}: {error!r}") from error
        if missing_ok and response.status_code == httpx.codes.NOT_FOUND:
            return None
        if response.is_error:
            raise RequestRefusedError(f"{method} {path}: {response.status_code} {response.text[:500]}")
        return response.json() if response.content else None


def _reason(task: dict[str, Any]) -> str:
    failed = task["failed_items"][0]["reason"] if task["failed_items"] else ""
    return str((task["error"] or {}).get("detail") or failed or "no reason given")


def _shifted(advance: Callable[[int], None], before: int) -> Callable[[int], None]:
    return lambda done: advance(before + done)
