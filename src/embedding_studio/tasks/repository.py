"""Every query on tasks."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta
from typing import Any

from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from embedding_studio.tasks.domain import FINISHED, RETRYABLE, Backlogged, Outcome, TaskKind, TaskState, Wish
from embedding_studio.tasks.models import IdempotencyKey, Task

__all__ = ["TaskRepository"]


class TaskRepository:
    """Reads and writes task documents; each write is one atomic operation."""

    async def add(self, task: Task) -> None:
        """Insert the task; one that is there already stays as it is."""
        try:
            await task.insert()
        except DuplicateKeyError:
            return

    async def reserve(self, key: IdempotencyKey) -> IdempotencyKey:
        """Insert the key, or return the one that is there already."""
        try:
            await key.insert()
        except DuplicateKeyError:
            return await IdempotencyKey.get(key.id) or key
        return key

    async def get(self, task_id: str) -> Task | None:
        """The task, if it exists."""
        return await Task.get(task_id)

    async def page(
        self,
        *,
        kind: TaskKind | None,
        state: TaskState | None,
        collections: AbstractSet[str] | None,
        before: str | None,
        limit: int,
    ) -> list[Task]:
        """Newest first, from the one before `before`; `collections` are the only ones whose tasks count, if given."""
        criteria: dict[str, Any] = {
            name: value for name, value in (("kind", kind), ("state", state)) if value is not None
        }
        if collections is not None:
            criteria["collection"] = {"$in": sorted(collections)}
        if before is not None:
            criteria["_id"] = {"$lt": before}
        return await Task.find(criteria).sort("-_id").limit(limit).to_list()

    async def claim(self, task_id: str, *, owner: str, at: datetime, until: datetime) -> Task | None:
        """Take the task if nobody has it and its time has come; None if it is not to be had."""
        free = {"$or": [{"lease_until": None}, {"lease_until": {"$lte": at}}]}
        due = {"$or": [{"not_before": None}, {"not_before": {"$lte": at}}]}
        document = await Task.get_pymongo_collection().find_one_and_update(
            {"_id": task_id, "state": {"$in": ["pending", "running"]}, "paused": {"$ne": True}, "$and": [free, due]},
            [
                {
                    "$set": {
                        "state": "running",
                        "lease_owner": owner,
                        "lease_until": until,
                        "attempts": {"$add": ["$attempts", 1]},
                        "fruitless": {"$add": [{"$ifNull": ["$fruitless", 0]}, 1]},
                        "started_at": {"$ifNull": ["$started_at", at]},
                    },
                },
            ],
            return_document=ReturnDocument.AFTER,
        )
        return Task.model_validate(document) if document else None

    async def renew(self, task_id: str, *, owner: str, until: datetime) -> tuple[bool, Wish | None]:
        """Extend the lease; says whether the task is still the owner's, and what somebody wants of it."""
        document = await Task.get_pymongo_collection().find_one_and_update(
            {"_id": task_id, "lease_owner": owner, "state": "running"},
            {"$set": {"lease_until": until}},
            projection={"cancel_requested": 1, "paused": 1},
        )
        if document is None:
            return False, None
        return True, "cancel" if document.get("cancel_requested") else "pause" if document.get("paused") else None

    async def advance(self, task_id: str, *, owner: str, done: int, total: int) -> bool:
        """Write the progress."""
        change = {"progress": {"done": done, "total": total}, "fruitless": 0}
        return await self._update_owned(task_id, owner, {"$set": change})

    async def remember(self, task_id: str, *, owner: str, facts: Mapping[str, object]) -> bool:
        """Add to the payload."""
        change = {f"payload.{name}": value for name, value in facts.items()}
        return await self._update_owned(task_id, owner, {"$set": change})

    async def finish(self, task_id: str, *, owner: str, outcome: Outcome, at: datetime) -> bool:
        """End the task and give back the lease; one that succeeded keeps nothing of what it was asked with."""
        failures = [{"id": item.id, "stage": item.stage, "reason": item.reason} for item in outcome.failures]
        end = {
            "state": outcome.state,
            "result": outcome.result,
            "failed_items": failures,
            "failed_total": outcome.failed_total,
        }
        return await self._end(task_id, owner, end | ({"payload": {}} if outcome.state == "succeeded" else {}), at)

    async def fail(self, task_id: str, *, owner: str, error: Mapping[str, object], at: datetime) -> bool:
        """End the task with a problem and give back the lease."""
        return await self._end(task_id, owner, {"state": "failed", "error": error}, at)

    async def cancelled(self, task_id: str, *, owner: str, at: datetime) -> bool:
        """End the task as cancelled and give back the lease."""
        return await self._end(task_id, owner, {"state": "cancelled"}, at)

    async def cancel(self, task_id: str, at: datetime) -> bool:
        """Cancel a task that no live worker has, or ask the worker that has it to stop; False if it has finished."""
        live = {"$and": [{"$eq": ["$state", "running"]}, {"$gt": ["$lease_until", at]}]}
        asked = {
            "cancel_requested": True,
            "state": {"$cond": [live, "$state", "cancelled"]},
            "finished_at": {"$cond": [live, "$finished_at", at]},
        }
        criteria = {"_id": task_id, "state": {"$in": ["pending", "running"]}}
        return (await Task.get_pymongo_collection().update_one(criteria, [{"$set": asked}])).matched_count == 1

    async def pause(self, task_id: str, *, paused: bool) -> bool:
        """Stop or release a task that has not finished; False if it has."""
        criteria = {"_id": task_id, "state": {"$in": ["pending", "running"]}}
        answer = await Task.get_pymongo_collection().update_one(criteria, {"$set": {"paused": paused, "sent_at": None}})
        return answer.matched_count == 1

    async def retry(self, task_id: str) -> Task | None:
        """Let a task that failed, in whole or in part, wait again; None if it has not."""
        fresh = {
            "state": "pending",
            "fruitless": 0,
            "failed_items": [],
            "failed_total": 0,
            "error": None,
            "result": None,
            "finished_at": None,
            "not_before": None,
            "sent_at": None,
            "cancel_requested": False,
            "paused": False,
        }
        document = await Task.get_pymongo_collection().find_one_and_update(
            {"_id": task_id, "state": {"$in": list(RETRYABLE)}},
            {"$set": fresh, "$inc": {"retries": 1}},
            return_document=ReturnDocument.AFTER,
        )
        return Task.model_validate(document) if document else None

    async def states(self, task_ids: Sequence[str]) -> dict[str, TaskState]:
        """The state of each of the tasks that exists."""
        found = Task.get_pymongo_collection().find({"_id": {"$in": list(task_ids)}}, {"state": 1})
        return {task["_id"]: task["state"] async for task in found}

    async def postpone(self, task_id: str, *, owner: str, until: datetime | None) -> bool:
        """Give the task back for a later attempt; False if it is another's now, or somebody wants it cancelled.

        Where it need not wait, nothing was wrong with it: the attempt does not count as a fruitless one.
        """
        change: dict[str, Any] = dict.fromkeys(("sent_at", "lease_owner", "lease_until"))
        change |= {"state": "pending", "not_before": until}
        if until is None:
            change["fruitless"] = {"$max": [0, {"$subtract": ["$fruitless", 1]}]}
        criteria = {"_id": task_id, "lease_owner": owner, "state": "running", "cancel_requested": {"$ne": True}}
        answer = await Task.get_pymongo_collection().update_one(criteria, [{"$set": change}])
        return answer.matched_count == 1

    async def waiting(
        self, *, at: datetime, sent_before: datetime, firsts: Mapping[str, datetime], limit: int
    ) -> list[Task]:
        """Tasks that nobody works on and no message waits for: lost, due again, or left by a dead worker.

        Args:
            at: Now.
            sent_before: Whose message was sent later is left alone.
            firsts: When the first message that waits was sent, of each queue where one does.
            limit: How many are returned.
        """
        lost = [{"queue": queue, "sent_at": {"$lt": min(sent_before, first)}} for queue, first in firsts.items()]
        elsewhere = {"queue": {"$nin": list(firsts)}, "sent_at": {"$lte": sent_before}}
        due = {"$or": [{"not_before": None}, {"not_before": {"$lte": at}}]}
        free = {"$or": [{"state": "pending", **due}, {"state": "running", "lease_until": {"$lte": at}}]}
        unsent = {"$or": [{"sent_at": None}, elsewhere, *lost]}
        return await Task.find({"paused": {"$ne": True}, "$and": [unsent, free]}).sort("_id").limit(limit).to_list()

    async def mark_sent(self, task_id: str, at: datetime) -> None:
        """Remember when the message was last sent."""
        await Task.get_pymongo_collection().update_one({"_id": task_id}, {"$set": {"sent_at": at}})

    async def open_of(self, *, limit: int) -> list[tuple[TaskKind, TaskState, int, datetime]]:
        """By kind and state, how many tasks are not finished, and when the first was made; of `limit` at most."""
        of_each = {"_id": {"kind": "$kind", "state": "$state"}, "count": {"$sum": 1}, "first": {"$min": "$created_at"}}
        steps: list[Mapping[str, Any]] = [
            {"$match": {"state": {"$in": ["pending", "running"]}}},
            {"$limit": limit},
            {"$group": of_each},
        ]
        found = await Task.get_pymongo_collection().aggregate(steps)
        return [(one["_id"]["kind"], one["_id"]["state"], one["count"], one["first"]) async for one in found]

    async def backlog(self, at: datetime, *, patience: timedelta, since: datetime) -> list[Backlogged]:
        """What is not finished, and what failed since a time, by kind and queue.

        Args:
            at: Now.
            patience: After so long a task that waits, or whose lease is over, should have been taken.
            since: From when on failures count.
        """
        late = at - patience
        is_due = {"$lte": [{"$max": ["$created_at", "$not_before"]}, late]}
        counts = {
            "waiting": {"$and": [{"$eq": ["$state", "pending"]}, {"$ne": ["$paused", True]}, is_due]},
            "alive": {"$and": [{"$eq": ["$state", "running"]}, {"$gt": ["$lease_until", at]}]},
            "orphaned": {"$and": [{"$eq": ["$state", "running"]}, {"$lte": ["$lease_until", late]}]},
            "failed": {"$eq": ["$state", "failed"]},
        }
        is_open = {"state": {"$in": ["pending", "running"]}}
        found = await Task.get_pymongo_collection().aggregate(
            [
                {"$match": {"$or": [is_open, {"state": "failed", "finished_at": {"$gte": since}}]}},
                {
                    "$group": {
                        "_id": {"kind": "$kind", "queue": "$queue"},
                        **{name: {"$sum": {"$cond": [condition, 1, 0]}} for name, condition in counts.items()},
                    }
                },
                {"$sort": {"_id": 1}},
            ]
        )
        return [Backlogged(**one.pop("_id"), **one) async for one in found]

    async def count_waiting(self) -> int:
        """How many tasks are not finished."""
        return await Task.find({"state": {"$nin": list(FINISHED)}}).count()

    async def delete_before(self, before: datetime, *, limit: int) -> int:
        """Delete so many of the tasks that ended before a time, the oldest; returns how many."""
        tasks = Task.get_pymongo_collection()
        found = tasks.find({"finished_at": {"$lt": before}}, {"_id": 1}, sort=[("finished_at", 1)], limit=limit)
        batch = [one["_id"] async for one in found]
        if batch:
            await tasks.delete_many({"_id": {"$in": batch}, "finished_at": {"$lt": before}})
        return len(batch)

    async def delete_of(self, collection: str) -> None:
        """Delete all tasks of a collection."""
        await Task.find({"collection": collection}).delete()

    async def _end(self, task_id: str, owner: str, end: Mapping[str, object], at: datetime) -> bool:
        change = {**end, "finished_at": at, "lease_owner": None, "lease_until": None}
        return await self._update_owned(task_id, owner, {"$set": change})

    @staticmethod
    async def _update_owned(task_id: str, owner: str, change: Mapping[str, Any]) -> bool:
        criteria = {"_id": task_id, "lease_owner": owner, "state": "running"}
        answer = await Task.get_pymongo_collection().update_one(criteria, change)
        return answer.matched_count == 1
