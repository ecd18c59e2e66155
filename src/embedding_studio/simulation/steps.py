"""Steps: shown while they last, timed when they are done."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console

from embedding_studio.progress import bars

__all__ = ["Steps"]

_REFRESHES = 4

Moved = Callable[[int], None]
"""Says how much of a step is done."""


class Steps:
    """Progress bars on a console and a stopwatch.

    Attributes:
        seconds: What the steps took, by name; steps of the same name add up.
    """

    def __init__(self, console: Console) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._progress = bars(console, refreshes=_REFRESHES)

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Draw the bars until the block ends."""
        with self._progress:
            yield

    @contextmanager
    def step(self, name: str, title: str, total: int = 1) -> Iterator[Moved]:
        """Time a block under `name` and show it as `title`; what is yielded moves its bar to so many of `total`."""
        bar = self._progress.add_task(title, total=total)
        started = time.perf_counter()
        try:
            yield lambda done: self._progress.update(bar, completed=done)
        finally:
            self.seconds[name] += time.perf_counter() - started
        self._progress.update(bar, completed=total)
