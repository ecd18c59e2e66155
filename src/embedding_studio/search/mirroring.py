"""Mirroring: what a user was shown is asked of a candidate too, afterwards, in moments when no user waits."""

import asyncio
import logging
import random
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from embedding_studio.kernel.time import Clock
from embedding_studio.search.domain import Found, SearchRequest
from embedding_studio.search.paging import Pager
from embedding_studio.search.seeking import Seeker
from embedding_studio.shadow import Answer, Compared, Counts, LiveShadow, Shadows, ShadowSettings
from embedding_studio.vector_store import deletable_meanwhile

__all__ = ["Mirror"]

logger = logging.getLogger(__name__)

_TOP = 10
_QUIET_S = 0.005
"""A mirrored search starts once no user has waited for so long."""


class Mirror:
    """Takes searches that were answered; few are asked at a time, few wait, and what is too much is dropped.

    While users wait for answers no mirrored search starts: where they always do, all are dropped.
    """

    def __init__(
        self, *, shadows: Shadows, seeker: Seeker, pager: Pager, settings: ShadowSettings, clock: Clock
    ) -> None:
        self._shadows = shadows
        self._seeker = seeker
        self._pager = pager
        self._settings = settings
        self._clock = clock
        self._gate = asyncio.Semaphore(settings.at_once)
        self._tasks: set[asyncio.Task[None]] = set()
        self._dropped: Counter[str] = Counter()
        self._live = 0
        self._idle = asyncio.Event()
        self._idle.set()

    @contextmanager
    def giving_way(self) -> Iterator[None]:
        """A user waits for what is done within."""
        self._live += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._live -= 1
            if not self._live:
                self._idle.set()

    def offer(self, name: str, request: SearchRequest, found: Found) -> None:
        """Perhaps mirror a search; returns at once, whatever happens."""
        shadow = self._shadows.of(name)
        if shadow is None or not _is_ranked(request, found) or random.random() >= shadow.share:  # noqa: S311
            return
        if len(self._tasks) >= self._settings.waiting:
            self._dropped[shadow.id] += 1
            return
        live = Answer(_shown(found), found.ranked_ms)
        task = asyncio.create_task(self._mirror(shadow, request, live, found.model_version))
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    async def close(self) -> None:
        """Give up what runs and waits."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._shadows.close()

    async def _mirror(self, shadow: LiveShadow, request: SearchRequest, live: Answer, live_model: int) -> None:
        async with self._gate:
            await self._quiet()
            try:
                async with asyncio.timeout(self._settings.deadline):
                    candidate = await self._ask(shadow, request)
            except TimeoutError:
                await self._shadows.note(shadow, self._counts(shadow, late=1))
            except Exception as error:  # noqa: BLE001  # the edge: whatever a candidate raises is counted
                await self._shadows.note(shadow, self._counts(shadow, failed=1), f"{type(error).__name__}: {error}")
            else:
                compared = Compared(self._clock(), request.text, live_model, live, candidate)
                await self._shadows.note(shadow, self._counts(shadow, compared=1), compared)

    async def _quiet(self) -> None:
        """Wait for a moment in which no user waits."""
        while True:
            await self._idle.wait()
            await asyncio.sleep(_QUIET_S)
            if self._idle.is_set():
                return

    async def _ask(self, shadow: LiveShadow, request: SearchRequest) -> Answer:
        started = time.perf_counter()
        with deletable_meanwhile(shadow.collection.name):
            sought = await self._seeker.sought(shadow.collection, request, shadow.overrides)
            page = await self._pager.page(sought)
        took_ms = (time.perf_counter() - started) * 1000
        return Answer([one.hit.item_id for one in page.candidates[:_TOP]], took_ms)

    def _counts(self, shadow: LiveShadow, *, compared: int = 0, failed: int = 0, late: int = 0) -> Counts:
        """With what was dropped since the last."""
        return Counts(compared, failed, late, dropped=self._dropped.pop(shadow.id, 0))

    def _finished(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            logger.warning("a mirrored search was not noted: %s", error)


def _is_ranked(request: SearchRequest, found: Found) -> bool:
    """Whether it is the first page of what a user was shown by the model that serves, in order of relevance.

    An image is too large to wait.
    """
    is_first = request.track and request.cursor is None and request.image is None
    return is_first and not request.sort and found.mode is not None and found.variant is None


def _shown(found: Found) -> list[str]:
    """The first ten by score: where neighbours were swapped to explore, as they were before."""
    ranked = sorted(found.results, key=lambda one: -one.candidate.score)
    return [one.candidate.hit.item_id for one in ranked[:_TOP]]
