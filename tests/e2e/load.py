"""Searches at a steady pace, and what became of each."""

import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx

__all__ = ["Load", "Outcome"]

_CLIENTS = 16
_WORDS = ("red", "green", "blue", "my", "sofa", "table", "lamp", "knife", "couch", "desk", "light")


@dataclass(frozen=True, slots=True)
class Outcome:
    """One search.

    Attributes:
        at: When it was sent, by `time.monotonic`.
        seconds: Until it was answered.
        status: Of the answer; 0 where there was none.
        version: The model that answered; None where none did.
        retry_after: What the answer says of another try.
    """

    at: float
    seconds: float
    status: int
    version: int | None = None
    retry_after: str | None = None


@dataclass
class Load:
    """Sends so many searches a second, however long the answers take, none the same twice."""

    url: str
    per_second: float
    outcomes: list[Outcome] = field(default_factory=list)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Search until the block ends, and until all is answered."""
        over = threading.Event()
        with (
            httpx.Client(timeout=30.0, limits=httpx.Limits(max_connections=_CLIENTS)) as client,
            ThreadPoolExecutor(_CLIENTS) as pool,
        ):
            sender = threading.Thread(target=self._send, args=(client, pool, over))
            sender.start()
            try:
                yield
            finally:
                over.set()
                sender.join()

    def statuses(self) -> Counter[int]:
        return Counter(one.status for one in self.outcomes)

    def _send(self, client: httpx.Client, pool: ThreadPoolExecutor, over: threading.Event) -> None:
        started, number = time.monotonic(), 0
        while not over.wait(max(0.0, started + number / self.per_second - time.monotonic())):
            pool.submit(self._search, client, number)
            number += 1

    def _search(self, client: httpx.Client, number: int) -> None:
        words = " ".join(random.choices(_WORDS, k=3))
        at = time.monotonic()
        try:
            answer = client.post(self.url, json={"query": f"{words} {number}", "track": False})
        except httpx.TransportError:
            self.outcomes.append(Outcome(at, time.monotonic() - at, 0))
            return
        version = answer.json().get("model_version")
        retry_after = answer.headers.get("retry-after")
        self.outcomes.append(Outcome(at, time.monotonic() - at, answer.status_code, version, retry_after))
