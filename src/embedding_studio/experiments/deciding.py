"""What workers do for experiments every few seconds: prepare, read, decide, stop, and clear up."""

import asyncio
import logging

from embedding_studio.experiments.counting import Counted, Counter
from embedding_studio.experiments.ending import Ending
from embedding_studio.experiments.models import Experiment
from embedding_studio.experiments.preparing import Preparation
from embedding_studio.experiments.repository import ExperimentRepository
from embedding_studio.infra.outages import OUTAGES, as_unavailable
from embedding_studio.kernel.errors import StudioError

__all__ = ["Decider"]

logger = logging.getLogger(__name__)

_WITHIN_S = 900.0


class Decider:
    """Takes experiments on their way; two workers that do so at once do no harm."""

    def __init__(
        self,
        *,
        experiments: ExperimentRepository,
        preparation: Preparation,
        counter: Counter,
        ending: Ending,
        effort: float,
    ) -> None:
        """`effort` is the share of the time that readings may take: one that took long is not repeated soon."""
        self._experiments = experiments
        self._preparation = preparation
        self._counter = counter
        self._ending = ending
        self._effort = effort
        self._rests: dict[str, float] = {}

    async def decide(self) -> None:
        """Look after all experiments once."""
        live = await self._experiments.live()
        self._rests = {one.id: self._rests[one.id] for one in live if one.id in self._rests}
        for experiment in live:
            try:
                await self._take_on(experiment)
            except OUTAGES as error:
                logger.warning("the experiment %s waits: %s", experiment.id, as_unavailable(error).detail)
        await self._ending.tidy()

    async def _take_on(self, experiment: Experiment) -> None:
        if experiment.state == "preparing":
            await self._prepare(experiment)
        elif self._rests.get(experiment.id, 0.0) <= asyncio.get_running_loop().time():
            await self._apply(experiment, await self._read(experiment))

    async def _prepare(self, experiment: Experiment) -> None:
        try:
            await self._preparation.advance(experiment)
        except StudioError as error:
            if error.retryable:
                logger.info("the experiment %s waits: %s", experiment.id, error.detail)
                return
            await self._ending.end(experiment, "stopped", error.detail)

    async def _read(self, experiment: Experiment) -> Counted:
        """Count, and rest after it for as long as it took, and longer; also when it took too long."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            return await self._counter.count(experiment, within=_WITHIN_S)
        finally:
            ended = loop.time()
            self._rests[experiment.id] = ended + (ended - began) * (1 / self._effort - 1)

    async def _apply(self, experiment: Experiment, counted: Counted) -> None:
        reading = counted.reading
        if reason := _alarm(counted):
            await self._ending.end(experiment, "stopped", reason)
        elif reading.decision is not None:
            better = reading.decision
            promoted = better if better == "treatment" and experiment.promote == "if_better" else None
            reason = f"the {better} is better after {counted.sessions:,} sessions"
            await self._ending.end(experiment, "decided", reason, decision=better, promoted=promoted)
        elif experiment.stop.max_sessions and counted.sessions >= experiment.stop.max_sessions:
            await self._ending.end(experiment, "stopped", f"undecided after {counted.sessions:,} sessions")


def _alarm(counted: Counted) -> str | None:
    """Why the experiment must not go on."""
    reading = counted.reading
    if not reading.sample_ratio.ok:
        return (
            f"sample ratio: the arms are not as large as chance would make them (p {reading.sample_ratio.p_value:.2g})"
        )
    if reading.breached:
        return f"guardrail: the treatment is worse by {' and '.join(reading.breached)}"
    return None
