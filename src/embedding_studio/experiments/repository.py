"""Every query on experiments."""

from collections.abc import Sequence
from typing import Any

import pymongo
from pymongo.errors import DuplicateKeyError

from embedding_studio.experiments.errors import ExperimentRunsError
from embedding_studio.experiments.models import Experiment

__all__ = ["ExperimentRepository"]

_MOST_LIVE = 1_000


class ExperimentRepository:
    """Reads and writes experiments; a change is made only where the experiment still is as it is thought to be."""

    async def add(self, experiment: Experiment) -> None:
        """Insert an experiment.

        Raises:
            ExperimentRunsError: The collection has one that is live.
        """
        try:
            await experiment.insert()
        except DuplicateKeyError:
            raise ExperimentRunsError(experiment.collection) from None

    async def get(self, collection: str, experiment_id: str) -> Experiment | None:
        """An experiment of a collection."""
        return await Experiment.find_one({"_id": experiment_id, "collection": collection})

    async def page(self, collection: str, *, before: str, limit: int) -> list[Experiment]:
        """Newest first, from the one before `before`."""
        criteria = {"collection": collection, "_id": {"$lt": before}}
        return await Experiment.find(criteria).sort("-_id").limit(limit).to_list()

    async def running(self, collection_id: int, *, within: float) -> Experiment | None:
        """The experiment that a collection runs, if MongoDB says so within some seconds."""
        with pymongo.timeout(within):
            return await Experiment.find_one({"collection_id": collection_id, "is_live": True, "state": "running"})

    async def live(self) -> list[Experiment]:
        """All that are being prepared or run, oldest first."""
        return await Experiment.find({"is_live": True}).sort("_id").limit(_MOST_LIVE).to_list()

    async def live_ids(self) -> list[str]:
        """The ids of all that are being prepared or run."""
        return [one.id for one in await self.live()]

    async def versions_at_hand(self) -> list[tuple[int, int]]:
        """The collection's id and the model version of each arm that is live."""
        return [(one.collection_id, arm.model_version) for one in await self.live() for arm in one.arms.values()]

    async def unpromoted(self) -> list[Experiment]:
        """All whose arm is to be deployed, which nobody asked for yet."""
        return await Experiment.find({"owes_promotion": True}).limit(_MOST_LIVE).to_list()

    async def of_ids(self, ids: Sequence[str]) -> dict[str, Experiment]:
        """Those of the experiments that there are."""
        return {one.id: one async for one in Experiment.find({"_id": {"$in": list(ids)}})}

    async def change(self, experiment: Experiment, **values: Any) -> bool:
        """Set values of an experiment that still is in the state, and promotes what it is thought to; else False."""
        known = {one: getattr(experiment, one) for one in ("state", "is_live", "promoted")}
        unchanged = {"_id": experiment.id, **known}
        done = await Experiment.get_pymongo_collection().update_one(unchanged, {"$set": values})
        return bool(done.matched_count)

    async def remove(self, experiment_id: str) -> None:
        """Delete an experiment that could not be prepared."""
        await Experiment.get_pymongo_collection().delete_one({"_id": experiment_id})

    async def delete_of(self, collection: str) -> None:
        """Delete all experiments of a collection."""
        await Experiment.get_pymongo_collection().delete_many({"collection": collection})
