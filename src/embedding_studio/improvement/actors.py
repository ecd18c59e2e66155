"""What the improvement workers do."""

import logging
from collections.abc import Awaitable, Callable, Mapping

from embedding_studio.improvement.announcing import Announcer
from embedding_studio.improvement.jobs import LEARN
from embedding_studio.improvement.service import ImprovementService
from embedding_studio.infra.jobs import Signal
from embedding_studio.infra.outages import OUTAGES, as_unavailable
from embedding_studio.kernel.errors import UnavailableError

__all__ = ["signals"]

logger = logging.getLogger(__name__)


class _Turns:
    """Has collections learn in turn, whichever is asked for most.

    Who asks for one that has its turn already waits for nothing: it gets another, behind those that wait.
    """

    def __init__(self, improvement: ImprovementService, announcer: Announcer) -> None:
        self._improvement = improvement
        self._announcer = announcer
        self._asked_again: dict[str, bool] = {}
        """Of each collection that has its turn."""

    async def learn(self, name: str) -> None:
        if name in self._asked_again:
            self._asked_again[name] = True
            return
        self._asked_again[name] = False
        try:
            is_more = await self._learn(name)
        finally:
            was_asked = self._asked_again.pop(name)
        if is_more or was_asked:
            self._announcer.ask(name)

    async def _learn(self, name: str) -> bool:
        try:
            return await self._improvement.learn(name)
        except UnavailableError as error:
            logger.warning("%r is learned later: %s", name, error.detail)
        except OUTAGES as error:
            logger.warning("%r is learned later: %s", name, as_unavailable(error).detail)
        return False


def signals(improvement: ImprovementService, announcer: Announcer) -> Mapping[Signal, Callable[[str], Awaitable[None]]]:
    """The signals of this context and what answers them."""
    return {LEARN: _Turns(improvement, announcer).learn}
