"""Section `memory`: what the click memory gains, what it costs, how fast it is, and whom it believes."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import numpy as np

from embedding_studio.bench.client import BenchClient
from embedding_studio.bench.figures import Figure, at_least, at_most, seen
from embedding_studio.bench.findings import Findings
from embedding_studio.bench.learning.memory_cost import measure_cost
from embedding_studio.bench.learning.stage import Stage
from embedding_studio.demo.processes import running_studio
from embedding_studio.improvement import Unlearned
from embedding_studio.infra.mongo import open_database
from embedding_studio.kernel.ids import new_id
from embedding_studio.settings import load_settings
from embedding_studio.simulation.judged import JudgedSet
from embedding_studio.simulation.quality import ndcg_at_10
from embedding_studio.up import join

__all__ = ["measure_memory"]

_NAME = "memory"
_COLLECTION = "bench-memory"
_SESSIONS = 8
_SHOWN = 20
_CLICKS = {3: 0.7, 2: 0.4}
_NOISE = 0.1
_LOSS = -0.01
_RATE = 50
_SECONDS = 20
_PROBE_EVERY = 10
_POLL_S = 0.05
_VISIBLE_MS = 1_000.0
_FORGED = 10_000
_ATTACKED = 20
_RANKS = 3.0
_AT_ONCE = 4
_DEADLINE_S = 120.0

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Shop:
    """The product through its API, with the judged items in a collection."""

    http: httpx.AsyncClient
    judged: JudgedSet

    async def search(self, query: str, **fields: Any) -> Json:
        body = {"query": self.judged.queries[query], **fields}
        answer = await self.http.post(f"/collections/{_COLLECTION}/search", json=body)
        return dict(answer.raise_for_status().json())

    async def ids(self, query: str, **fields: Any) -> list[str]:
        return [one["id"] for one in (await self.search(query, track=False, **fields))["results"]]

    async def click(self, session: str, items: Sequence[str], kind: str = "click") -> None:
        events = [{"event_id": new_id(), "session_id": session, "item_id": item, "type": kind} for item in items]
        (await self.http.post("/events", json={"events": events})).raise_for_status()

    async def quality(self, queries: Sequence[str]) -> float:
        rankings = [await self.ids(query) for query in queries]
        gains = [self.judged.gains[query] for query in queries]
        return float(np.mean([ndcg_at_10(ids, of_items) for ids, of_items in zip(rankings, gains, strict=True)]))


async def measure_memory(stage: Stage) -> Findings:
    """Replay and attack on ESCI, whose clicks are simulated; latency under events; cost beside a million rows."""
    judged = JudgedSet.read(stage.sets / "esci")
    folder = stage.data_dir / _NAME
    folder.mkdir(exist_ok=True)
    with running_studio(folder) as url:
        join(folder)
        client = BenchClient(url, _COLLECTION)
        client.create("text")
        stage.say(f"Sending {len(judged.items):,} products")
        client.send(judged.items)
        client.finish([client.optimize()])
        client.settle()
        async with httpx.AsyncClient(base_url=f"{url}/api/v1", timeout=60.0) as http:
            shop = _Shop(http, judged)
            figures = [*await _replay(shop), *await _attack(shop), *await _latency(shop)]
        stage.say("A million rows")
        figures += await measure_cost(url, client, _COLLECTION, list(judged.queries.values()))
    return Findings(figures)


async def _replay(shop: _Shop) -> list[Figure]:
    """Every second query is asked and clicked at; the others are not."""
    queries = sorted(shop.judged.queries)
    asked, others = queries[::2], queries[1::2]
    before = [await shop.quality(asked), await shop.quality(others)]
    rng = np.random.default_rng(0)
    for query in asked:
        for number in range(_SESSIONS):
            await _visit(shop, query, f"{query}-{number}", rng)
    await _learned()
    after = [await shop.quality(asked), await shop.quality(others)]
    note = f"simulated: {_SESSIONS} users a query, examination 1/rank^.7, clicks {_CLICKS} by grade, else {_NOISE}"
    return [
        seen(_NAME, "ndcg@10_clicked_before", before[0], note=note),
        at_least(_NAME, "gain_on_clicked_queries", after[0] - before[0], 0.0),
        seen(_NAME, "ndcg@10_others_before", before[1]),
        at_least(_NAME, "change_on_other_queries", after[1] - before[1], _LOSS),
    ]


async def _visit(shop: _Shop, query: str, user: str, rng: np.random.Generator) -> None:
    found = await shop.search(query, limit=_SHOWN, user_id=user)
    chosen = [
        one["id"]
        for one in found["results"]
        if rng.random() < one["position"] ** -0.7
        and rng.random() < _CLICKS.get(int(shop.judged.gains[query].get(one["id"], 0)), _NOISE)
    ]
    if chosen:
        await shop.click(found["session_id"], chosen)


async def _attack(shop: _Shop) -> list[Figure]:
    """One client lifts an item of rank ten for each of some queries, that of the first with all its might."""
    queries = sorted(shop.judged.queries)[:_ATTACKED]
    moved: list[int] = []
    for number, query in enumerate(queries):
        honest = await shop.ids(query, limit=50)
        target = honest[9]
        await _forge(shop, query, target, _FORGED if number == 0 else 20)
        await _learned()
        forged = await shop.ids(query, limit=50)
        moved.append(abs(forged.index(target) - 9) if target in forged else len(honest))
    return [
        at_most(_NAME, "attack_10000_clicks", moved[0], _RANKS, unit="ranks"),
        at_most(_NAME, "attack_worst_of_20_queries", max(moved), _RANKS, unit="ranks"),
        seen(_NAME, "attack_mean", float(np.mean(moved)), "ranks"),
    ]


async def _forge(shop: _Shop, query: str, item: str, clicks: int) -> None:
    """Half of the sessions bear a name, half none."""
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(number: int) -> None:
        session = new_id()
        body = {
            "session_id": session,
            "query": shop.judged.queries[query],
            "results": [{"id": item, "position": 1}],
            **({"user_id": "mallory"} if number % 2 else {}),
        }
        async with gate:
            (await shop.http.post(f"/collections/{_COLLECTION}/sessions", json=body)).raise_for_status()
            await shop.click(session, [item], "purchase")

    await asyncio.gather(*(one(number) for number in range(clicks)))


async def _latency(shop: _Shop) -> list[Figure]:
    """From sending a click to a search that it has changed, while clicks come at a steady rate.

    Each click is in a session of its own; these are there before.
    """
    queries = sorted(shop.judged.queries)
    asked = [(queries[number % len(queries)], f"visitor-{number}") for number in range(_RATE * _SECONDS)]
    sessions = [await shop.search(query, user_id=user) for query, user in asked]
    started, running = time.perf_counter(), []
    for number, ((query, user), found) in enumerate(zip(asked, sessions, strict=True)):
        await asyncio.sleep(max(0.0, started + number / _RATE - time.perf_counter()))
        probe = number % _PROBE_EVERY == 0
        running.append(asyncio.create_task(_click_and_see(shop, query, user, found, probe=probe)))
    taken = [one for one in await asyncio.gather(*running) if one is not None]
    p50, p99 = np.percentile(np.asarray(taken) * 1_000, [50, 99])
    return [
        seen(_NAME, "click_to_search_p50", float(p50), "ms", note=f"{_RATE} events/s for {_SECONDS} s"),
        at_most(_NAME, "click_to_search_p99", float(p99), _VISIBLE_MS, unit="ms"),
    ]


async def _click_and_see(shop: _Shop, query: str, user: str, found: Json, *, probe: bool) -> float | None:
    last = found["results"][-1]
    sent = time.perf_counter()
    await shop.click(found["session_id"], [last["id"]])
    while probe and time.perf_counter() - sent < _DEADLINE_S:
        after = await shop.search(query, user_id=user, track=False)
        scores = {one["id"]: one["score"] for one in after["results"]}
        if scores.get(last["id"], 0.0) > last["score"]:
            return time.perf_counter() - sent
        await asyncio.sleep(_POLL_S)
    return None


async def _learned() -> None:
    """Wait until the workers have nothing left to learn."""
    async with _unlearned() as waiting:
        deadline = time.monotonic() + _DEADLINE_S
        while await waiting.count_documents({}) and time.monotonic() < deadline:  # noqa: ASYNC110  # of processes
            await asyncio.sleep(0.1)


@asynccontextmanager
async def _unlearned() -> AsyncIterator[Any]:
    async with open_database(load_settings().mongo, (Unlearned,)) as database:
        yield database[Unlearned.Settings.name]
