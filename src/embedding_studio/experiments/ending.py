"""Ending an experiment: what it held is let go of, and the arm that is wanted is deployed."""

from contextlib import suppress

from embedding_studio.experiments.domain import State, Variant
from embedding_studio.experiments.errors import PromotionError
from embedding_studio.experiments.models import Experiment
from embedding_studio.experiments.overrides import RankingOverrides
from embedding_studio.experiments.repository import ExperimentRepository
from embedding_studio.inference import DeploymentService
from embedding_studio.kernel.errors import StudioError
from embedding_studio.kernel.time import Clock
from embedding_studio.tasks import FINISHED, Idempotency, TaskNotFoundError, TaskService, TaskStateError
from embedding_studio.vector_store import CollectionService, IndexHolds

__all__ = ["Ending", "refuse_unpromotable"]

_KIND = "experiment"


class Ending:
    """Ends experiments; what a crash left undone, `tidy` does."""

    def __init__(
        self,
        *,
        experiments: ExperimentRepository,
        holds: IndexHolds,
        collections: CollectionService,
        deployments: DeploymentService,
        tasks: TaskService,
        clock: Clock,
    ) -> None:
        self._experiments = experiments
        self._holds = holds
        self._collections = collections
        self._deployments = deployments
        self._tasks = tasks
        self._clock = clock

    async def end(
        self,
        experiment: Experiment,
        state: State,
        reason: str,
        *,
        decision: Variant | None = None,
        promoted: Variant | None = None,
    ) -> bool:
        """End a live experiment; False if it was ended meanwhile.

        Raises:
            PromotionError: The arm differs in what no deployment changes.
        """
        refuse_unpromotable(experiment, promoted)
        ended = await self._experiments.change(
            experiment,
            state=state,
            is_live=False,
            reason=reason,
            decision=decision,
            promoted=promoted,
            owes_promotion=promoted is not None,
            ended_at=self._clock(),
        )
        if ended and experiment.state == "preparing" and experiment.build_task:
            with suppress(TaskNotFoundError, TaskStateError):
                await self._tasks.cancel(experiment.build_task)
        return ended

    async def choose(self, experiment: Experiment, promoted: Variant) -> bool:
        """Have an arm promoted of an experiment that has ended; False if that was wanted of it before.

        Raises:
            PromotionError: The arm differs in what no deployment changes.
        """
        refuse_unpromotable(experiment, promoted)
        if experiment.promoted is not None:
            return False
        return await self._experiments.change(experiment, promoted=promoted, owes_promotion=True)

    async def promote(self, experiment: Experiment) -> str | None:
        """Ask for the deployment of the arm that is to be promoted; the task, or None if its model serves already.

        An experiment is asked for by a person, and is better evidence than the gate's: what that refused is deployed.
        """
        if experiment.promoted is None:
            return None
        collection = await self._collections.current(experiment.collection)
        version = experiment.arms[experiment.promoted].model_version
        task_id = None
        if version != collection.model_version:
            key = Idempotency(experiment.id, f"{_KIND} promotes", experiment.promoted.encode())
            note = f"the {experiment.promoted} of the experiment {experiment.id}"
            task_id = (await self._deployments.request(collection, version, force=True, note=note, idempotency=key)).id
        await self._experiments.change(experiment, owes_promotion=False, deploy_task=task_id)
        return task_id

    async def tidy(self) -> None:
        """Do what is left to be done of experiments that have ended."""
        for experiment in await self._experiments.unpromoted():
            await self._make_up_for(experiment)
        holders = await self._holds.holders(_KIND)
        known = await self._experiments.of_ids([one.removeprefix(f"{_KIND}:") for one in holders]) if holders else {}
        needed = {one.holder for one in known.values() if await self._is_needed(one)}
        for holder in holders:
            if holder not in needed:
                await self._holds.release(holder)

    async def _make_up_for(self, experiment: Experiment) -> None:
        """Promote what was not promoted; if that can never be, it is told why."""
        try:
            await self.promote(experiment)
        except StudioError as error:
            if not error.retryable:
                reason = f"{experiment.reason}; not promoted: {error.detail}"
                await self._experiments.change(experiment, owes_promotion=False, reason=reason)

    async def _is_needed(self, experiment: Experiment) -> bool:
        """Whether the experiment still needs its indexes."""
        if experiment.is_live or experiment.owes_promotion:
            return True
        task = experiment.deploy_task
        return task is not None and (await self._tasks.states([task])).get(task, "failed") not in FINISHED


def refuse_unpromotable(experiment: Experiment, variant: Variant | None) -> None:
    """Refuse to promote an arm that differs in what no deployment changes.

    Raises:
        PromotionError: It has a ranking of its own.
    """
    if variant is not None and experiment.arms[variant].overrides != RankingOverrides():
        raise PromotionError(variant)
