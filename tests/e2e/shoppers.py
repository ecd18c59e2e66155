"""People who search, click and write without a pause, and what became of all they did."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count, islice
from typing import Any

import httpx

from embedding_studio.kernel.ids import new_id

__all__ = ["Shoppers"]

_PEOPLE = 4
_PAUSE = 0.02


class Shoppers:
    """Each uses one client with connections that it keeps; an answer that is none of ours is a failure, and so is none.

    Attributes:
        searches: How many were answered.
        clicks: The ids of the events that were accepted, by session.
        tasks: Those that were accepted.
        failures: What was not answered as it should.
    """

    def __init__(
        self,
        url: str,
        collection: str,
        *,
        supplied: bool = True,
        query: Callable[[int], object] = lambda number: {"vector": [1.0, number % 7]},
        item: Callable[[int], dict[str, Any]] = lambda number: {"payload": {}, "vector": [1.0, number % 9]},
    ) -> None:
        """`supplied` is whether items are written too; `query` and `item` make one of a number."""
        self._query = query
        self._item = item
        self.supplied = supplied
        self._url = url
        self._path = f"/api/v1/collections/{collection}"
        self._name = new_id()
        self._over = threading.Event()
        self._numbers = count()
        self.searches = 0
        self.clicks: dict[str, str] = {}
        self.tasks: list[str] = []
        self.items: set[str] = set()
        self.failures: list[str] = []

    @contextmanager
    def running(self) -> Iterator[None]:
        """Search until the block ends, and until all is answered."""
        with ThreadPoolExecutor(_PEOPLE + 1) as pool:
            people: list[Future[None]] = [pool.submit(self._shop) for _ in range(_PEOPLE)]
            if self.supplied:
                people.append(pool.submit(self._supply))
            try:
                yield
            finally:
                self.stop()
        for one in people:
            one.result()

    def stop(self) -> None:
        """Ask no more; what is under way is still answered."""
        self._over.set()

    def _shop(self) -> None:
        with httpx.Client(base_url=self._url, timeout=30.0) as client:
            while not self._over.wait(_PAUSE):
                number = next(self._numbers)
                found = self._ask(client, f"{self._path}/search", {"query": self._query(number), "limit": 5})
                if found is None:
                    continue
                self.searches += 1
                session = found["session_id"]
                if not found["results"]:
                    self.failures.append(f"nothing was found in {session}")
                    continue
                event = {"event_id": f"{session}-{number}", "session_id": session, "type": "click"}
                event["item_id"] = found["results"][0]["id"]
                answer = self._ask(client, "/api/v1/events", {"events": [event]})
                if answer is not None:
                    assert answer["accepted"] == 1, answer
                    self.clicks[session] = event["event_id"]

    def _supply(self) -> None:
        with httpx.Client(base_url=self._url, timeout=30.0) as client:
            while not self._over.wait(5 * _PAUSE):
                items = [{"id": f"{self._name}-{n}"} | self._item(n) for n in islice(self._numbers, 20)]
                answer = self._ask(client, f"{self._path}/items", {"items": items})
                if answer is not None:
                    self.tasks.append(answer["task_id"])
                    self.items |= {one["id"] for one in items}

    def _ask(self, client: httpx.Client, path: str, body: dict[str, Any]) -> dict[str, Any] | None:
        try:
            answer = client.post(path, json=body)
        except httpx.TransportError as error:
            self.failures.append(f"{path}: {error!r}")
            return None
        if answer.is_error:
            self.failures.append(f"{path}: {answer.status_code} {answer.text[:300]}")
            return None
        return dict(answer.json())
