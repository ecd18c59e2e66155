"""People write, delete, reindex and search while processes are killed; and what must be there in the end."""

import asyncio
import math
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx
import psutil

__all__ = ["TARGETS", "Storm"]

Json = dict[str, Any]

TARGETS: dict[str, Callable[[psutil.Process], bool]] = {
    "api": lambda one: one.cmdline()[-1:] == ["serve"],
    "upsert worker": lambda one: one.cmdline()[-1:] == ["upsert"],
    "redis": lambda one: one.name() == "redis-server",
    "mongo": lambda one: one.name() == "mongod",
    "postgres": lambda one: one.name() == "postgres",
}

_NAME = "storm"
_SHARDS = 3
_IDS_PER_SHARD = 250
_CALM_WITHIN_S = 240.0
_BACK_WITHIN_S = 60.0


@dataclass(slots=True)
class Shard:
    """One writer's items; `present` is what must be there when all that was accepted is done."""

    number: int
    present: dict[str, int] = field(default_factory=dict)
    version: int = 0
    put: dict[str, tuple[float, int]] = field(default_factory=dict)
    deleted: dict[str, float] = field(default_factory=dict)

    def ids(self, count: int) -> list[str]:
        return [f"s{self.number}-{number:03}" for number in random.sample(range(_IDS_PER_SHARD), count)]

    def item(self, item_id: str) -> Json:
        """The next version of an item."""
        self.version += 1
        self.deleted.pop(item_id, None)
        words = f"{random.choice(_ADJECTIVES)} {random.choice(_NOUNS)}"
        return {"id": item_id, "payload": {"title": words, "shard": self.number, "version": self.version}}

    def wrote(self, items: list[Json]) -> None:
        self.present |= {item["id"]: item["payload"]["version"] for item in items}


@dataclass(slots=True)
class Outage:
    """From when until when a server was away, by `time.monotonic`; it may last."""

    start: float
    end: float = math.inf


_ADJECTIVES = ("red", "oak", "small", "leather", "folding", "garden", "round", "old")
_NOUNS = ("sofa", "table", "lamp", "chair", "shelf", "carpet", "mirror", "desk")


class Storm:
    """Runs until so many processes were killed; `verify` then tells what is wrong."""

    def __init__(self, *, url: str, up: int, kills: int, seed: int) -> None:
        random.seed(seed)
        self._url = url
        self._up = psutil.Process(up)
        self._wanted = kills
        self._shards = [Shard(number) for number in range(_SHARDS)]
        self._over = asyncio.Event()
        self._without_postgres: list[Outage] = []
        self.kills: Counter[str] = Counter()
        self.calls: Counter[str] = Counter()
        self.searches: Counter[str] = Counter()
        self.reindexes: Counter[str] = Counter()
        self.wrong: list[str] = []

    async def run(self) -> None:
        """Write, delete, reindex and search while processes are killed; return when all is calm again."""
        async with httpx.AsyncClient(base_url=f"{self._url}/api/v1", timeout=40.0) as self._client:
            await self._until_done("POST", "/collections", {201, 409}, {"name": _NAME, "plugin": "text"})
            workers = [self._write(shard) for shard in self._shards]
            async with asyncio.TaskGroup() as group:
                for work in (*workers, self._reindex(), self._search(), self._kill()):
                    group.create_task(self._guarded(work))
            await self._calm()
            await self._verify()

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        finally:
            self._over.set()

    async def _kill(self) -> None:
        names = list(TARGETS)
        for number in range(self._wanted):
            await asyncio.sleep(random.uniform(0.5, 4.0))
            if number % len(names) == 0:
                random.shuffle(names)
            await self._kill_one(names[number % len(names)])
        await self._wait(lambda: self.searches["200"] > 10 and self.reindexes["succeeded"] > 0, _CALM_WITHIN_S)

    async def _kill_one(self, name: str) -> None:
        victim = await self._living(name)
        outage = Outage(time.monotonic())
        if name == "postgres":
            self._without_postgres.append(outage)
        victim.kill()
        self.kills[name] += 1
        await self._wait(lambda: (one := self._process(name)) is not None and one.pid != victim.pid, _BACK_WITHIN_S)
        if name == "postgres":
            await self._wait_async(self._postgres_answers, _CALM_WITHIN_S)  # says an API that may be starting itself
            outage.end = time.monotonic()

    async def _living(self, name: str) -> psutil.Process:
        """The process of a name, once there is one: it may have ended with another that was killed."""
        deadline = time.monotonic() + _BACK_WITHIN_S
        while (one := self._process(name)) is None:
            assert time.monotonic() < deadline, f"{name} did not come back"
            await asyncio.sleep(0.05)
        return one

    def _process(self, name: str) -> psutil.Process | None:
        for one in self._up.children():
            with _gone_is_no_error():
                if TARGETS[name](one) and one.status() != psutil.STATUS_ZOMBIE:
                    return one
        return None

    async def _postgres_answers(self) -> bool:
        try:
            ready = await self._client.get(f"{self._url}/health/ready")
        except httpx.TransportError:
            return False
        return bool(ready.json().get("checks", {}).get("postgres") == "ok")

    async def _write(self, shard: Shard) -> None:
        steps = (self._upsert, self._upsert, self._upsert, self._put, self._delete, self._delete_ids, self._delete_old)
        while not self._over.is_set():
            await random.choice(steps)(shard)
            await asyncio.sleep(random.uniform(0.1, 0.4))

    async def _upsert(self, shard: Shard) -> None:
        items = [shard.item(one) for one in shard.ids(random.choice((1, 5, 40, 120)))]
        await self._until_done("POST", f"/collections/{_NAME}/items", {202}, {"items": items}, key=True)
        shard.wrote(items)

    async def _put(self, shard: Shard) -> None:
        (item,) = [shard.item(one) for one in shard.ids(1)]
        body = {"payload": item["payload"]}
        await self._until_done("PUT", f"/collections/{_NAME}/items/{item['id']}", {200}, body)
        shard.wrote([item])
        shard.put[item["id"]] = (time.monotonic(), item["payload"]["version"])

    async def _delete(self, shard: Shard) -> None:
        (item_id,) = shard.ids(1)
        await self._until_done("DELETE", f"/collections/{_NAME}/items/{item_id}", {204, 404})
        shard.present.pop(item_id, None)
        shard.put.pop(item_id, None)
        shard.deleted[item_id] = time.monotonic()

    async def _delete_ids(self, shard: Shard) -> None:
        ids = shard.ids(10)
        for one in ids:
            shard.put.pop(one, None)
        await self._until_done("POST", f"/collections/{_NAME}/items/delete", {202}, {"ids": ids}, key=True)
        shard.present = {one: version for one, version in shard.present.items() if one not in ids}

    async def _delete_old(self, shard: Shard) -> None:
        oldest = shard.version - 400
        mine = {"field": "shard", "eq": shard.number}
        old = {"field": "version", "lt": oldest}
        await self._until_done(
            "POST", f"/collections/{_NAME}/items/delete", {202}, {"filter": {"and": [mine, old]}}, key=True
        )
        shard.present = {one: version for one, version in shard.present.items() if version >= oldest}

    async def _reindex(self) -> None:
        while not self._over.is_set():
            answer = await self._until_done("POST", f"/collections/{_NAME}/reindex", {202, 409}, {}, key=True)
            if answer.status_code == 202:
                task = await self._finished(answer.json()["task_id"])
                self.reindexes[task["state"]] += 1
            await asyncio.sleep(1.0)

    async def _search(self) -> None:
        async with httpx.AsyncClient(base_url=f"{self._url}/api/v1", timeout=40.0) as client:
            while not self._over.is_set():
                query = f"{random.choice(_ADJECTIVES)} {random.choice(_NOUNS)}"
                started = time.monotonic()
                try:
                    answer = await client.post(f"/collections/{_NAME}/search", json={"query": query, "limit": 50})
                except httpx.TransportError:
                    self.searches["no connection"] += 1
                    await asyncio.sleep(0.05)
                    continue
                self.searches[str(answer.status_code)] += 1
                if answer.status_code == 200:
                    self._check(answer.json()["results"], started)
                elif answer.status_code != 503 or not self._had_no_postgres(started, time.monotonic()):
                    self.wrong.append(f"search answered {answer.status_code}: {answer.text[:200]}")
                await asyncio.sleep(0.02)

    def _had_no_postgres(self, start: float, end: float) -> bool:
        """Whether PostgreSQL was down at any time between the two."""
        return any(one.start <= end and start <= one.end for one in self._without_postgres)

    def _check(self, results: list[Json], started: float) -> None:
        ids = [result["id"] for result in results]
        if len(set(ids)) != len(ids):
            self.wrong.append("an item was found twice")
        for result in results:
            shard = self._shards[result["payload"]["shard"]]
            at, version = shard.put.get(result["id"], (0.0, 0))
            if at and at < started and result["payload"]["version"] < version:
                self.wrong.append(f"{result['id']} was found as it was before it was put")
            if shard.deleted.get(result["id"], started) < started:
                self.wrong.append(f"{result['id']} was found after it was deleted")

    async def _until_done(
        self, method: str, path: str, wanted: set[int], body: object = None, *, key: bool = False
    ) -> httpx.Response:
        """Send until it is accepted, as a careful client does: under one Idempotency-Key."""
        headers = {"Idempotency-Key": uuid4().hex} if key else {}
        deadline = time.monotonic() + _CALM_WITHIN_S
        while time.monotonic() < deadline:
            try:
                answer = await self._client.request(method, path, json=body, headers=headers)
            except httpx.TransportError:
                self.calls["no connection"] += 1
                await asyncio.sleep(0.2)
                continue
            self.calls[f"{method} {answer.status_code}"] += 1
            if answer.status_code in wanted:
                return answer
            if answer.status_code < 500:
                raise AssertionError(f"{method} {path}: {answer.status_code} {answer.text[:300]}")
            await asyncio.sleep(0.2)
        raise AssertionError(f"{method} {path} was not accepted in {_CALM_WITHIN_S:g} s")

    async def _finished(self, task_id: str) -> Json:
        deadline = time.monotonic() + _CALM_WITHIN_S
        while time.monotonic() < deadline:
            task: Json = (await self._until_done("GET", f"/tasks/{task_id}", {200})).json()
            if task["finished_at"] is not None:
                return task
            await asyncio.sleep(0.3)
        raise AssertionError(f"task {task_id} did not end")

    async def _calm(self) -> None:
        """Wait until no task waits or runs."""
        for state in ("pending", "running", "pending"):
            path = f"/tasks?collection={_NAME}&state={state}&limit=1000"
            for task in (await self._until_done("GET", path, {200})).json()["items"]:
                await self._finished(task["id"])

    async def _verify(self) -> None:
        for state in ("failed", "partial", "cancelled"):
            path = f"/tasks?collection={_NAME}&state={state}&limit=1000"
            tasks = (await self._until_done("GET", path, {200})).json()["items"]
            self.wrong += [
                f"a task {state}: {task['kind']} {task['error'] or task['failed_items'][:2]}" for task in tasks
            ]
        expected = {one: version for shard in self._shards for one, version in shard.present.items()}
        found = await self._all_items()
        self.wrong += [f"{one} is missing" for one in sorted(expected.keys() - found.keys())]
        self.wrong += [f"{one} is back" for one in sorted(found.keys() - expected.keys())]
        self.wrong += [
            f"{one} is not the newest" for one in expected.keys() & found.keys() if expected[one] != found[one]
        ]
        collection = (await self._until_done("GET", f"/collections/{_NAME}", {200})).json()
        for index in collection["index_versions"]:
            if index["items"] != len(expected):
                self.wrong.append(f"index {index} holds not {len(expected)} items")

    async def _all_items(self) -> dict[str, int]:
        found: dict[str, int] = {}
        cursor = None
        while True:
            body = {"limit": 1000, "cursor": cursor, "track": False}
            page = (await self._until_done("POST", f"/collections/{_NAME}/search", {200}, body)).json()
            for result in page["results"]:
                if result["id"] in found:
                    self.wrong.append(f"{result['id']} is there twice")
                found[result["id"]] = result["payload"]["version"]
            cursor = page["next_cursor"]
            if cursor is None:
                return found

    @staticmethod
    async def _wait(condition: Callable[[], bool], within_s: float) -> None:
        async def ask() -> bool:
            return condition()

        await Storm._wait_async(ask, within_s)

    @staticmethod
    async def _wait_async(condition: Callable[[], Awaitable[bool]], within_s: float) -> None:
        deadline = time.monotonic() + within_s
        while not await condition():
            assert time.monotonic() < deadline, "it did not come back"
            await asyncio.sleep(0.05)


@contextmanager
def _gone_is_no_error() -> Iterator[None]:
    try:
        yield
    except psutil.NoSuchProcess:
        return
