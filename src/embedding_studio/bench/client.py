"""The benchmarks' view of the product: its HTTP API, and the patience that it asks for."""

import json
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self

import httpx
import numpy as np
from numpy.typing import NDArray

from embedding_studio.kernel.errors import UnavailableError

__all__ = ["BenchClient"]

_DEADLINE_S = 3600.0
_POLL_S = 0.02
_LONGEST_PAUSE_S = 1.0
_ITEMS_PER_REQUEST = 1_000
_TEXTS_PER_REQUEST = 256

Json = dict[str, Any]


class BenchClient:
    """One collection of one server; its connections close with the block."""

    def __init__(self, url: str, collection: str) -> None:
        self._http = httpx.Client(base_url=f"{url}/api/v1", timeout=60.0)
        self._path = f"/collections/{collection}"
        self._name = collection

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def create(self, plugin: str, **options: object) -> None:
        """Make the collection anew."""
        self._http.delete(self._path)
        body = {"name": self._name, "plugin": plugin, "options": options}
        self._http.post("/collections", json=body).raise_for_status()

    def delete(self) -> None:
        """Delete the collection."""
        self._http.delete(self._path).raise_for_status()

    def post_items(self, body: bytes) -> str:
        """Send a request's items, again and again while too many wait; returns the task's id."""
        headers = {"Content-Type": "application/json"}
        deadline = time.monotonic() + _DEADLINE_S
        while time.monotonic() < deadline:
            answer = self._http.post(f"{self._path}/items", headers=headers, content=body)
            if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                return str(answer.raise_for_status().json()["task_id"])
            time.sleep(float(answer.headers.get("Retry-After", 1)))
        raise UnavailableError(f"no items were accepted for {_DEADLINE_S:g} s")

    def settle(self) -> None:
        """Wait until the collection has no task left, such as building its index."""
        deadline = time.monotonic() + _DEADLINE_S
        for state in ("pending", "running", "pending"):
            query = {"collection": self._name, "state": state}
            while self._http.get("/tasks", params=query).raise_for_status().json()["items"]:
                if time.monotonic() > deadline:
                    raise UnavailableError(f"the tasks of {self._name} did not end in {_DEADLINE_S:g} s")
                time.sleep(_POLL_S)

    def send(self, items: Sequence[Json], *, at_once: int = 4) -> float:
        """Send items over a few connections; returns the seconds until all are searchable.

        The bodies are made before the clock starts: the client's share is none of ours.
        """
        bodies = [
            json.dumps({"items": items[start : start + _ITEMS_PER_REQUEST]}).encode()
            for start in range(0, len(items), _ITEMS_PER_REQUEST)
        ]
        started = time.perf_counter()
        with ThreadPoolExecutor(at_once) as senders:
            self.finish(list(senders.map(self.post_items, bodies)))
        return time.perf_counter() - started

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """The vectors of queries as the encoder gives them, float32 (texts, dimensions)."""
        parts = []
        for start in range(0, len(texts), _TEXTS_PER_REQUEST):
            some = list(texts[start : start + _TEXTS_PER_REQUEST])
            answer = self._http.post(f"{self._path}/embed", json={"texts": some, "kind": "query", "model_version": 1})
            parts += answer.raise_for_status().json()["vectors"]
        return np.asarray(parts, np.float32)

    def top(self, texts: Sequence[str], *, limit: int) -> list[list[str]]:
        """The ids of what is found first for each text."""
        found = []
        for text in texts:
            body = {"query": text, "limit": limit, "track": False}
            answer = self._http.post(f"{self._path}/search", json=body).raise_for_status().json()
            found.append([one["id"] for one in answer["results"]])
        return found

    def reindex(self) -> str:
        """Ask for a new index; returns the task's id."""
        return str(self._http.post(f"{self._path}/reindex", json={}).raise_for_status().json()["task_id"])

    def optimize(self) -> str:
        """Ask for vacuum, statistics and the indexes that are due; returns the task's id."""
        return str(self._http.post(f"{self._path}/optimize").raise_for_status().json()["task_id"])

    def search(self, query: str, *, limit: int = 10) -> float:
        """Search, tracked; returns the seconds it took."""
        started = time.perf_counter()
        self._http.post(f"{self._path}/search", json={"query": query, "limit": limit}).raise_for_status()
        return time.perf_counter() - started

    def is_finished(self, task_id: str) -> bool:
        """Whether the task has ended well.

        Raises:
            UnavailableError: It has ended otherwise.
        """
        task: Json = self._http.get(f"/tasks/{task_id}").json()
        if task["state"] in {"pending", "running"}:
            return False
        if task["state"] != "succeeded":
            raise UnavailableError(f"task {task_id} is {task['state']}: {task['error'] or task['failed_items'][:1]}")
        return True

    def finish(self, task_ids: Sequence[str]) -> None:
        """Wait until the tasks have ended well, asking the less often the longer it takes."""
        started = time.monotonic()
        for task_id in task_ids:
            while not self.is_finished(task_id):
                waited = time.monotonic() - started
                if waited > _DEADLINE_S:
                    raise UnavailableError(f"task {task_id} did not finish in {_DEADLINE_S:g} s")
                time.sleep(min(_LONGEST_PAUSE_S, max(_POLL_S, waited / 50)))
