"""What the improvement workers do."""

import logging
from collections.abc import Awaitable, Callable, Mapping

from embedding_studio.improvement.jobs import LEARN
from embedding_studio.improvement.service import ImprovementService
from embedding_studio.infra.jobs import Signal
from embedding_studio.infra.outages import OUTAGES, as_unavailable
from embedding_studio.kernel.errors import UnavailableError

__all__ = ["signals"]

logger = logging.getLogger(__name__)


def signals(improvement: ImprovementService) -> Mapping[Signal, Callable[[str], Awaitable[None]]]:
    """The signals of this context and what answers them."""

    async def learn(name: str) -> None:
        try:
            await improvement.learn(name)
        except UnavailableError as error:
            logger.warning("%r is learned later: %s", name, error.detail)
        except OUTAGES as error:
            logger.warning("%r is learned later: %s", name, as_unavailable(error).detail)

    return {LEARN: learn}
