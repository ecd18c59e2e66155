"""Whatever a candidate does, the search that it repeats was answered before and hears nothing of it."""

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from embedding_studio.experiments import RankingOverrides
from embedding_studio.kernel.time import now
from embedding_studio.search.domain import Found, SearchRequest
from embedding_studio.search.mirroring import Mirror
from embedding_studio.shadow import Compared, Counts, LiveShadow, ShadowSettings
from embedding_studio.vector_store import Total

pytestmark = pytest.mark.anyio

REQUEST = SearchRequest(text="sofa", user_id="ann")


def found(*ids: str, **changes: Any) -> Found:
    results = [
        SimpleNamespace(candidate=SimpleNamespace(hit=SimpleNamespace(item_id=one), score=-place), propensity=1.0)
        for place, one in enumerate(ids)
    ]
    values: dict[str, Any] = {
        "session_id": "s",
        "mode": "hybrid",
        "results": results,
        "total": Total(len(ids), "eq"),
        "next_cursor": None,
        "model_version": 1,
        "index_version": 1,
        "ranked_ms": 3.0,
    }
    return Found(**values | changes)


class Shadows:
    """One live shadow; keeps what it is told."""

    def __init__(self, share: float = 1.0) -> None:
        collection: Any = SimpleNamespace(name="shop")
        self.shadow = LiveShadow("x", collection, RankingOverrides(), share)
        self.notes: list[tuple[Counts, Compared | str | None]] = []

    def of(self, name: str) -> LiveShadow | None:
        return self.shadow if name == "shop" else None

    async def note(self, shadow: LiveShadow, counts: Counts, result: Compared | str | None = None) -> None:
        assert shadow is self.shadow
        self.notes.append((counts, result))

    async def close(self) -> None:
        pass

    @property
    def totals(self) -> Counts:
        parts = [counts for counts, _ in self.notes]
        return Counts(*(sum(getattr(one, name) for one in parts) for name in Counts.__dataclass_fields__))


class Candidate:
    """Seeker and pager of a candidate that does what it is told."""

    def __init__(self, answer: Callable[[], Any] | None = None) -> None:
        self.answer = answer
        self.running = self.most = self.asked = 0
        self.open = asyncio.Event()
        self.open.set()

    async def sought(self, _collection: Any, request: SearchRequest, _overrides: RankingOverrides) -> SearchRequest:
        return request

    async def page(self, _sought: SearchRequest) -> Any:
        self.asked += 1
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await self.open.wait()
            if self.answer:
                self.answer()
        finally:
            self.running -= 1
        return SimpleNamespace(candidates=[SimpleNamespace(hit=SimpleNamespace(item_id=one)) for one in "ba"])


def mirror(shadows: Shadows, candidate: Candidate, **settings: Any) -> Mirror:
    parts: dict[str, Any] = {"shadows": shadows, "seeker": candidate, "pager": candidate}
    return Mirror(**parts, settings=ShadowSettings(**settings), clock=now)


async def done(one: Mirror) -> None:
    while one._tasks:
        await asyncio.gather(*one._tasks, return_exceptions=True)


async def test_what_both_found_is_compared() -> None:
    shadows = Shadows()
    one = mirror(shadows, Candidate())
    one.offer("shop", REQUEST, found("a", "b"))
    assert shadows.notes == [], "nothing has happened when the answer goes out"
    await done(one)
    ((counts, compared),) = shadows.notes
    assert counts == Counts(compared=1)
    assert isinstance(compared, Compared)
    assert (compared.query, compared.live_model) == ("sofa", 1)
    assert (list(compared.live.items), compared.live.took_ms) == (["a", "b"], 3.0)
    assert list(compared.candidate.items) == ["b", "a"]
    assert compared.candidate.took_ms > 0


async def test_swapped_neighbours_are_compared_as_they_were_ranked() -> None:
    shadows, shown = Shadows(), found("a", "b", "c")
    one = mirror(shadows, Candidate())
    one.offer("shop", REQUEST, found(results=[shown.results[1], shown.results[0], shown.results[2]]))
    await done(one)
    compared = shadows.notes[0][1]
    assert isinstance(compared, Compared)
    assert list(compared.live.items) == ["a", "b", "c"]


async def test_few_run_few_wait_and_the_rest_is_dropped_and_counted() -> None:
    shadows, candidate = Shadows(), Candidate()
    candidate.open.clear()
    one = mirror(shadows, candidate, at_once=2, waiting=5)
    for _ in range(20):
        one.offer("shop", REQUEST, found("a"))
    assert len(one._tasks) == 5
    candidate.open.set()
    await done(one)
    assert candidate.most <= 2
    assert candidate.asked == 5
    assert shadows.totals == Counts(compared=5, dropped=15)


async def test_nothing_starts_while_a_user_waits() -> None:
    shadows, candidate = Shadows(), Candidate()
    one = mirror(shadows, candidate, waiting=2)
    with one.giving_way():
        with one.giving_way():
            for _ in range(5):
                one.offer("shop", REQUEST, found("a"))
        started, _ = await asyncio.wait(one._tasks, timeout=0.05)
        assert not started
        assert candidate.asked == 0
    await done(one)
    assert shadows.totals == Counts(compared=2, dropped=3)


async def test_who_is_late_is_given_up() -> None:
    shadows, candidate = Shadows(), Candidate()
    candidate.open.clear()
    one = mirror(shadows, candidate, deadline=0.01)
    one.offer("shop", REQUEST, found("a"))
    await done(one)
    assert shadows.totals == Counts(late=1)
    assert candidate.running == 0


async def test_who_fails_is_counted_with_what_it_said() -> None:
    def fail() -> None:
        raise ZeroDivisionError("of no model")

    shadows = Shadows()
    one = mirror(shadows, Candidate(fail))
    one.offer("shop", REQUEST, found("a"))
    await done(one)
    assert shadows.notes == [(Counts(failed=1), "ZeroDivisionError: of no model")]


async def test_what_cannot_be_noted_is_lost_and_nothing_else() -> None:
    class Gone(Shadows):
        async def note(self, shadow: LiveShadow, counts: Counts, result: Compared | str | None = None) -> None:
            await super().note(shadow, counts, result)
            raise ConnectionError("no MongoDB")

    shadows = Gone()
    one = mirror(shadows, Candidate())
    for _ in range(2):
        one.offer("shop", REQUEST, found("a"))
        await done(one)
    assert len(shadows.notes) == 2


@pytest.mark.parametrize(
    ("request_", "changes"),
    [
        (SearchRequest(text="sofa", track=False), {}),
        (SearchRequest(text="sofa", cursor="c"), {}),
        (SearchRequest(image=b"large"), {}),
        (SearchRequest(), {"mode": None}),
        (REQUEST, {"variant": "treatment"}),
    ],
)
async def test_what_no_user_saw_ranked_by_the_serving_model_is_not_mirrored(
    request_: SearchRequest, changes: dict[str, Any]
) -> None:
    one = mirror(Shadows(), Candidate())
    one.offer("shop", request_, found("a", **changes))
    assert not one._tasks


async def test_other_collections_and_no_share_are_not_mirrored() -> None:
    one = mirror(Shadows(share=0.0), Candidate())
    one.offer("shop", REQUEST, found("a"))
    one.offer("other", REQUEST, found("a"))
    assert not one._tasks


async def test_closing_gives_up_what_runs_and_waits() -> None:
    shadows, candidate = Shadows(), Candidate()
    candidate.open.clear()
    one = mirror(shadows, candidate)
    for _ in range(3):
        one.offer("shop", REQUEST, found("a"))
    await asyncio.sleep(0)
    await one.close()
    assert not one._tasks
    assert candidate.running == 0
