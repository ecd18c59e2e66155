"""People who search and click, and a catalog that changes meanwhile."""

import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import httpx

from embedding_studio.kernel.ids import new_id

__all__ = ["Rates", "Search", "Traffic", "item"]

_SEARCHERS = 4
_ITEMS_PER_WRITE = 20
_CLICKED = 0.5
_TRIES = 5
_COLORS = ("red", "green", "blue", "old", "small", "leather", "oak", "brass")
_THINGS = ("sofa", "table", "lamp", "knife", "couch", "desk", "light", "chair", "shelf", "carpet", "mirror")
_WORDS = (*_COLORS, *_THINGS)

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Rates:
    """What happens in a second.

    Attributes:
        searches: Tracked ones; every second one is followed by a click.
        writes: Requests of twenty changed items each.
    """

    searches: float
    writes: float


@dataclass(frozen=True, slots=True)
class Search:
    """One search.

    Attributes:
        at: Seconds from the start.
        seconds: Until it was answered.
        status: Of the answer; 0 where there was none.
    """

    at: float
    seconds: float
    status: int


@dataclass
class Traffic:
    """Sends all of it on threads of its own, and keeps what it was told.

    Attributes:
        searches: In the order in which they were answered.
        clicks: Event ids that were accepted, by session.
        revisions: The last revision of each item that was accepted.
        tasks: Of the writes.
        failures: What went wrong elsewhere than in searches.
    """

    http: httpx.Client
    collection: str
    items: int
    searches: list[Search] = field(default_factory=list)
    clicks: dict[str, list[str]] = field(default_factory=dict)
    revisions: dict[str, int] = field(default_factory=dict)
    tasks: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def run(self, seconds: float, rates: Rates) -> None:
        """Keep on for so many seconds, and until all that was begun is answered."""
        over = threading.Event()
        started = time.monotonic()
        with ThreadPoolExecutor(_SEARCHERS + 1) as pool:
            period = _SEARCHERS / rates.searches
            running = [
                pool.submit(_every, period, over, self._searcher(random.Random(number), started))  # noqa: S311  # no secret
                for number in range(_SEARCHERS)
            ]
            running.append(pool.submit(_every, 1 / rates.writes, over, self._write))
            _wait(running, seconds)
            over.set()
        for one in running:
            one.result()

    def _searcher(self, chance: random.Random, started: float) -> Callable[[int], None]:
        def search(_: int) -> None:
            at = time.monotonic()
            body = {"query": " ".join(chance.sample(_WORDS, 3)), "user_id": f"u{chance.randrange(500)}"}
            answer = self._post(f"/collections/{self.collection}/search", body)
            status = answer.status_code if answer else 0
            self.searches.append(Search(at - started, time.monotonic() - at, status))
            if answer and answer.is_success and chance.random() < _CLICKED:
                self._click(answer.json(), chance)

        return search

    def _click(self, shown: Json, chance: random.Random) -> None:
        if not shown["results"]:
            return
        event = {
            "event_id": new_id(),
            "session_id": shown["session_id"],
            "item_id": chance.choice(shown["results"])["id"],
            "type": "click",
        }
        answer = self._post("/events", {"events": [event]})
        if answer and answer.is_success and answer.json()["accepted"] == 1:
            self.clicks.setdefault(str(shown["session_id"]), []).append(str(event["event_id"]))
        else:
            self.failures.append(f"event: {answer.text if answer else 'no answer'}")

    def _write(self, number: int) -> None:
        first = number * _ITEMS_PER_WRITE
        changed = [item((first + offset) % self.items, number + 1) for offset in range(_ITEMS_PER_WRITE)]
        answer = None
        for _ in range(_TRIES):
            answer = self._post(f"/collections/{self.collection}/items", {"items": changed})
            if answer and answer.is_success:
                self.tasks.append(str(answer.json()["task_id"]))
                self.revisions.update({str(one["id"]): number + 1 for one in changed})
                return
            time.sleep(float(answer.headers.get("Retry-After", 1)) if answer else 1.0)
        self.failures.append(f"write {number}: {answer.text if answer else 'no answer'}")

    def _post(self, path: str, body: Json) -> httpx.Response | None:
        try:
            return self.http.post(path, json=body)
        except httpx.TransportError as error:
            self.failures.append(f"{path}: {error!r}")
            return None


def item(number: int, revision: int) -> Json:
    """An item in one of its revisions; its text is another in each."""
    chance = random.Random(number * 1_000_003 + revision)  # noqa: S311  # no secret
    return {"id": f"i{number}", "payload": {"title": " ".join(chance.sample(_WORDS, 5)), "revision": revision}}


def _every(period: float, over: threading.Event, act: Callable[[int], None]) -> None:
    """Act once in each period, however long an act takes."""
    started, number = time.monotonic(), 0
    while not over.wait(max(0.0, started + number * period - time.monotonic())):
        act(number)
        number += 1


def _wait(running: list["Future[None]"], seconds: float) -> None:
    """Return after so many seconds, or as soon as one of the threads has failed."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and not any(one.done() for one in running):
        time.sleep(min(1.0, max(0.0, end - time.monotonic())))
