"""What people choose moves what the next search shows, within its bounds, and can be undone."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embedding_studio.improvement import Backlog, Directions, ImprovementService
from embedding_studio.inference import EmbeddingService, Encoders, NewEncoder, ServedModel
from embedding_studio.kernel.errors import UnavailableError
from embedding_studio.kernel.ids import new_id
from embedding_studio.sdk import ClickMemory
from integration.inference.models import register
from studio import Studio

from .conftest import FAR, ITEMS, NEAR, QUERY, Shop

pytestmark = pytest.mark.anyio


async def test_a_users_own_click_counts_at_once_and_for_nobody_else(shop: Shop) -> None:
    before = await shop.scores()
    await shop.teach("i40", user="ann")
    after = await shop.scores(user_id="ann")
    gain = ClickMemory().boost(0.5, 0)
    assert after["i40"] == pytest.approx(before["i40"] + gain, abs=1e-4)
    assert {item: score for item, score in after.items() if item != "i40"} == {
        item: score for item, score in before.items() if item != "i40"
    }
    assert await shop.scores(user_id="bob") == before
    assert await shop.scores() == before


async def test_two_users_move_an_item_for_all(shop: Shop) -> None:
    before = await shop.scores()
    await shop.teach("i40", user="ann")
    await shop.teach("i40", user="bob")
    after = await shop.scores()
    assert after["i40"] == pytest.approx(before["i40"] + ClickMemory().boost(0.5, 0), abs=1e-4)
    assert (await shop.ids())[0] == "i00"
    assert "i40" in await shop.ids(limit=60)


async def test_the_nameless_are_no_users(shop: Shop) -> None:
    before = await shop.scores()
    for _ in range(3):
        await shop.teach("i40")
    assert await shop.scores() == before
    await shop.teach("i40", user="ann")
    assert await shop.scores() == before


async def test_dismissals_lower_and_may_sink_an_item_off_the_page(shop: Shop) -> None:
    assert (await shop.ids())[0] == "i00"
    for user in ("ann", "bob"):
        await shop.teach("i00", user=user, kinds=("report",))
    found = await shop.search(limit=ITEMS, explain=True)
    parts = {one["id"]: one["explanation"] for one in found["results"]}
    assert parts["i00"]["memory"] == pytest.approx(ClickMemory().boost(0, 1.0), abs=1e-4)
    assert "i00" not in (await shop.ids())[:3]


async def test_what_is_not_near_is_as_if_nothing_were_remembered(shop: Shop) -> None:
    before = await shop.search(FAR, explain=True, limit=7)
    for user in ("ann", "bob"):
        await shop.teach("i40", user=user)
    after = await shop.search(FAR, explain=True, limit=7)
    assert {**after, "took_ms": 0} == {**before, "took_ms": 0}
    near = await shop.search(NEAR, explain=True, limit=ITEMS)
    memory = {one["id"]: one["explanation"]["memory"] for one in near["results"]}
    assert memory["i40"] == pytest.approx(ClickMemory().boost(0.375, 0), abs=2e-3)  # K is .75
    assert set(memory.values()) == {0.0, memory["i40"]}


async def test_an_item_far_behind_comes_into_the_first_page(shop: Shop) -> None:
    assert "i15" not in await shop.ids()
    for user in ("ann", "bob", "cyd"):
        await shop.teach("i15", user=user, kinds=("click", "purchase"))
    found = await shop.search(explain=True)
    assert "i15" in [one["id"] for one in found["results"]]
    for one in found["results"]:
        parts = one["explanation"]
        assert parts["vector"] + parts["lexical"] + parts["memory"] + parts["ranker"] == one["score"]
    scores = [one["score"] for one in found["results"]]
    assert scores == sorted(scores, reverse=True)
    filtered = await shop.ids(filter={"field": "n", "lt": 15})
    assert "i15" not in filtered
    assert "i15" not in await shop.ids(max_distance=0.15)


@pytest.mark.parametrize("fields", [{}, {"mode": "hybrid", "query": {**QUERY, "text": "oak"}}])
async def test_pages_repeat_and_skip_nothing_though_clicks_come_between(shop: Shop, fields: dict[str, Any]) -> None:
    for user in ("ann", "bob"):
        await shop.teach("i30", user=user, kinds=("purchase",))
        await shop.teach("i02", user=user, kinds=("report",))
    found: list[str] = []
    cursor: str | None = None
    while True:
        page = await shop.search(limit=7, cursor=cursor, user_id="eve", **fields)
        found += [one["id"] for one in page["results"]]
        await shop.teach(f"i{len(found) % ITEMS:02}", user="ann")
        await shop.teach(f"i{len(found) % ITEMS:02}", user="bob")
        if (cursor := page["next_cursor"]) is None:
            break
    assert sorted(found) == [f"i{n:02}" for n in range(ITEMS)]


async def test_a_cursor_of_remembered_pages_belongs_to_its_user(shop: Shop) -> None:
    await shop.teach("i30", user="ann", kinds=("purchase",))
    page = await shop.search(limit=7, user_id="ann")
    url = f"/api/v1/collections/{shop.name}/search"
    body = {"query": QUERY, "limit": 7, "cursor": page["next_cursor"]}
    assert (await shop.studio.client.post(url, json={**body, "user_id": "ann"})).status_code == 200
    assert (await shop.studio.client.post(url, json={**body, "user_id": "bob"})).status_code == 400


async def test_listings_and_sorted_searches_have_no_memory(shop: Shop) -> None:
    sort = [{"field": "n"}]
    before = [await shop.search(None), await shop.search(sort=sort)]
    await shop.teach("i40", user="ann", kinds=("purchase",))
    after = [await shop.search(None, user_id="ann"), await shop.search(sort=sort, user_id="ann")]
    for one, other in zip(before, after, strict=True):
        assert one["results"] == other["results"]


async def test_a_session_that_becomes_irrelevant_is_undone(shop: Shop) -> None:
    await shop.teach("i20", user="ann")
    before = await shop.scores(user_id="ann")
    session = await shop.teach("i40", user="ann")
    assert await shop.scores(user_id="ann") != before
    assert (await shop.studio.client.post(f"/api/v1/sessions/{session}/irrelevant")).status_code == 204
    after = await shop.scores(user_id="ann")
    assert after.keys() == before.keys()
    assert [one["item_id"] for one in await shop.rows()] == ["i20"]
    event = {"event_id": new_id(), "session_id": session, "item_id": "i40", "type": "click"}
    await shop.studio.client.post("/api/v1/events", json={"events": [event]})
    await shop.learn()
    assert [one["item_id"] for one in await shop.rows()] == ["i20"]


async def test_a_forgotten_user_is_forgotten(shop: Shop) -> None:
    await shop.teach("i40", user=f"ann-{shop.name}")
    await shop.teach("i40", user=f"bob-{shop.name}")
    answer = await shop.studio.client.delete(f"/api/v1/users/ann-{shop.name}")
    task = await shop.studio.work(answer.json()["task_id"])
    assert task["result"]["memory"] == 1
    assert [one["user_id"] for one in await shop.rows()] == [f"bob-{shop.name}"]


async def test_a_user_is_forgotten_whose_first_click_is_being_learned(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    container = shop.studio.container
    user, sessions = f"ann-{shop.name}", container.improvement._sessions
    with_events, was_read, may_write = sessions.with_events, asyncio.Event(), asyncio.Event()

    async def read(*documents: Any) -> Any:
        found = await with_events(*documents)
        was_read.set()
        await may_write.wait()
        return found

    await shop.teach("i20", user="bob")
    await shop.act("i40", user=user)
    monkeypatch.setattr(sessions, "with_events", read)
    learning = asyncio.create_task(shop.learn())
    await was_read.wait()
    await sessions.delete_user(user)
    forgetting = asyncio.create_task(container.improvement.forget_user(user))
    waits = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)"
    while not forgetting.done() and not await container.pool.fetchval(waits):
        await asyncio.wait([forgetting], timeout=0.01)
    may_write.set()
    await asyncio.gather(learning, forgetting)
    assert [one["user_id"] for one in await shop.rows()] == ["bob"]


async def test_a_deleted_item_takes_its_rows_along(shop: Shop) -> None:
    await shop.teach("i40", user="ann")
    await shop.teach("i20", user="ann")
    url = f"/api/v1/collections/{shop.name}/items/i40"
    assert (await shop.studio.client.delete(url)).status_code == 204
    assert [one["item_id"] for one in await shop.rows()] == ["i20"]
    session = await shop.act("i20", user="ann")
    await shop.studio.client.delete(f"/api/v1/collections/{shop.name}/items/i20")
    await shop.learn()
    assert await shop.rows() == []
    assert session


async def test_a_deleted_collection_takes_its_tables_along(shop: Shop) -> None:
    await shop.teach("i40", user="ann")
    tables = "SELECT count(*) FROM pg_tables WHERE tablename LIKE 'memory%'"
    before = await shop.studio.container.pool.fetchval(tables)
    await shop.act("i20", user="ann")
    await shop.studio.client.delete(f"/api/v1/collections/{shop.name}")
    await shop.learn()
    assert await shop.studio.container.pool.fetchval(tables) == before - 2
    assert await shop.studio.container.database["unlearned_sessions"].count_documents({"collection": shop.name}) == 0


async def test_learning_twice_and_at_once_is_learning_once(shop: Shop) -> None:
    session = await shop.act("i40", user="ann", kinds=("click", "click", "cart"))
    await asyncio.gather(*(shop.learn() for _ in range(5)))
    (row,) = await shop.rows()
    assert (row["session_id"], row["item_id"], row["weight"]) == (session, "i40", pytest.approx(1.3))
    await shop.studio.container.announcer.tell(shop.name, [session])
    await shop.learn()
    assert await shop.rows() == [row]


async def test_learning_has_an_end_though_events_go_on(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    improvement = shop.studio.container.improvement
    done = improvement._backlog.done

    async def done_and_clicked(stamps: Mapping[str, str]) -> None:
        await done(stamps)
        await shop.act("i41", user="bob")

    first = await shop.act("i40", user="ann")
    monkeypatch.setattr(improvement._backlog, "done", done_and_clicked)
    async with asyncio.timeout(300):
        assert not await shop.learn()
    assert first in {one["session_id"] for one in await shop.rows()}


async def test_a_collection_with_much_to_learn_has_its_turns(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("embedding_studio.improvement.service._SESSIONS_AT_ONCE", 1)
    monkeypatch.setattr("embedding_studio.improvement.service._BATCHES_PER_TURN", 2)
    sessions = [await shop.act("i40", user="ann") for _ in range(3)]
    assert await shop.learn()
    assert {one["session_id"] for one in await shop.rows()} == set(sessions[:2])
    assert not await shop.learn()
    assert {one["session_id"] for one in await shop.rows()} == set(sessions)


async def test_what_a_dead_worker_left_is_learned_by_the_next(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    await shop.act("i40", user="ann")
    improvement = shop.studio.container.improvement

    async def die(*_: object) -> None:  # in place of a coroutine
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(improvement._backlog, "done", die)
        with pytest.raises(KeyboardInterrupt):
            await shop.learn()
    await shop.learn()
    assert len(await shop.rows()) == 1


async def test_events_that_come_while_a_session_is_learned_are_not_lost(shop: Shop) -> None:
    backlog = shop.studio.container.improvement._backlog
    session = await shop.act("i40", user="ann")
    stamps = await backlog.next(shop.name, limit=10)
    event = {"event_id": new_id(), "session_id": session, "item_id": "i41", "type": "click"}
    await shop.studio.client.post("/api/v1/events", json={"events": [event]})
    await backlog.done(stamps)
    await shop.learn()
    assert [one["item_id"] for one in await shop.rows()] == ["i40", "i41"]


async def test_vectors_of_another_encoder_are_never_mixed(shop: Shop) -> None:
    await shop.teach("i40", user="ann", kinds=("purchase",))
    container = shop.studio.container
    collection = await container.collections.current(shop.name)
    vector = np.array(QUERY["vector"], np.float32)
    improvement, at = container.improvement, container.clock()
    _, known = await improvement.near(collection, "", vector, user_id="ann", at=at)
    assert known.keys() == {"i40"}
    assert await improvement.near(collection, "other-encoder", vector, user_id="ann", at=at) == (0, {})


async def test_one_client_cannot_move_an_item_for_others(shop: Shop) -> None:
    """Ten thousand forged clicks, of which each is a row of its own."""
    for user in ("ann", "bob"):
        await shop.teach("i20", user=user)
    honest = await shop.ids(limit=ITEMS)
    await _forge(shop, "i20", user="mallory", rows=5_000)
    await _forge(shop, "i20", user=None, rows=5_000)
    await _forge(shop, "i33", user="mallory", rows=5_000)
    forged = await shop.ids(limit=ITEMS)
    assert abs(forged.index("i33") - honest.index("i33")) <= 1  # past it went i20
    assert honest.index("i20") - forged.index("i20") <= 3


async def _forge(shop: Shop, item: str, *, user: str | None, rows: int) -> None:
    """Rows as forged sessions would leave them."""
    session = await shop.teach(item, user=user)
    pool = shop.studio.container.pool
    memory = await pool.fetchval(
        "SELECT m.id FROM memories m JOIN collections c ON c.id = m.collection_id WHERE c.name = $1", shop.name
    )
    await pool.execute(
        f"INSERT INTO memory_clicks_{memory}"
        " SELECT session_id || n, item_id, query_id, user_id, weight, at, revision, 1"
        f" FROM memory_clicks_{memory}, generate_series(1, {rows}) n WHERE session_id = $1",
        session,
    )
    await shop.teach(item, user=user)


async def test_without_protection_one_client_could(shop: Shop) -> None:
    await shop.teach("i33", user="mallory", kinds=("click", "like", "cart", "purchase"))
    assert (await shop.ids(limit=ITEMS)).index("i33") == 33
    ranking = shop.studio.container.plugins.get("vectors").ranking
    protected = ranking.adjuster
    object.__setattr__(ranking, "adjuster", ClickMemory(users=0, voice=float("inf"), places=None, cap=1.0))
    try:
        assert (await shop.ids(limit=ITEMS)).index("i33") == 0
    finally:
        object.__setattr__(ranking, "adjuster", protected)


async def test_encoders_are_read_before_the_first_click(studio: Studio, any_name: str) -> None:
    container = studio.container
    (encoder,) = {one.encoder.build() for one in [container.plugins.get("text")] if one.encoder}
    encoders = Encoders(container.settings.inference)
    embeddings = EmbeddingService(encoders=encoders, models=container.models, collections=container.collections)
    improvement = ImprovementService(
        memories=container.improvement._memories,
        backlog=Backlog(),
        sessions=container.improvement._sessions,
        directions=Directions(embeddings=embeddings, items=container.items),
        collections=container.collections,
    )
    await studio.create(any_name, "text")
    assert encoder not in encoders._encoders._models
    await improvement.warm()
    assert encoder in encoders._encoders._models
    encoders.close()
    await studio.client.delete(f"/api/v1/collections/{any_name}")


async def test_a_deployment_of_another_encoder_finds_what_the_one_before_had_learned(
    studio: Studio, any_name: str, encoders: Path, tmp_path: Path
) -> None:
    """The same weights under another name: the memory must have the same say at once, and again after a rollback."""
    await studio.create(any_name)
    await studio.add(any_name, [{"id": str(n), "payload": {"title": f"oak table {n}"}} for n in range(9)])
    shop = Shop(studio, any_name)
    collection = await studio.container.collections.current(any_name)
    assert collection.encoder
    for name in ("model.onnx", "tokenizer.json", "canaries.json", "encoder.json"):
        (tmp_path / name).write_bytes((encoders / collection.encoder.key / name).read_bytes())
    start = ServedModel(collection.encoder, collection.encoder)
    new: dict[str, Any] = {"track": "query_encoder", "adapter": None, "start": start}
    version = (await register(studio, collection, encoder=NewEncoder(tmp_path, of_items=False), **new)).version

    async def memory_of(query: str, item: str) -> float:
        found = await shop.search({"text": query}, mode="vector", explain=True, user_id="ann", limit=9)
        return next(float(one["explanation"]["memory"]) for one in found["results"] if one["id"] == item)

    async def move(url: str) -> None:
        answer = await studio.client.post(f"/api/v1/collections/{any_name}/{url}")
        assert (await studio.work(answer.json()["task_id"]))["state"] == "succeeded"

    await shop.teach("7", user="ann", query={"text": "oak table"})
    assert (taught := await memory_of("oak table", "7")) > 0
    await move(f"models/{version}/deploy")
    assert await memory_of("oak table", "7") == pytest.approx(taught, abs=1e-4)
    await studio.container.improvement.warm()
    await shop.teach("3", user="ann", query={"text": "a kitchen"})
    assert (meanwhile := await memory_of("a kitchen", "3")) > 0
    await move("rollback")
    assert await memory_of("oak table", "7") == pytest.approx(taught, abs=1e-4)
    await studio.container.improvement.warm()
    assert await memory_of("a kitchen", "3") == pytest.approx(meanwhile, abs=1e-4)
    await studio.client.delete(f"/api/v1/collections/{any_name}")


@pytest.mark.parametrize("clicked_first", [False, True])
async def test_what_was_taught_before_another_encoder_is_learned_with_its_vectors(
    shop: Shop, clicked_first: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if the memory that there is were that of the encoder before."""
    improvement, pool = shop.studio.container.improvement, shop.studio.container.pool
    before = await shop.scores()
    for user in ("ann", "bob"):
        await shop.teach("i40", user=user)
    taught = await shop.scores()
    assert taught != before
    collection = await shop.studio.container.collections.current(shop.name)
    await pool.execute("UPDATE memories SET encoder = 'before' WHERE collection_id = $1", collection.id)
    improvement._seen.clear()
    if clicked_first:
        await shop.teach("i50", user="cyd")
    assert await shop.scores() == before
    monkeypatch.setattr("embedding_studio.improvement.service._SESSIONS_AT_ONCE", 1)
    monkeypatch.setattr("embedding_studio.improvement.service._BATCHES_PER_TURN", 1)
    while collection.id not in improvement._settled:
        await improvement.warm()
    improvement._seen.clear()
    assert await shop.scores() == pytest.approx(taught, abs=1e-4)  # clicks grow old
    await shop.forget(item_id="i40")
    improvement._settled.clear()
    improvement._noted_anew.clear()
    await improvement.warm()
    assert await shop.scores() == before


async def test_words_are_found_without_an_encoder_and_pages_that_had_a_memory_wait_for_it(
    studio: Studio, any_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await studio.create(any_name)
    await studio.add(any_name, [{"id": str(n), "payload": {"title": f"oak table {n}"}} for n in range(9)])
    shop = Shop(studio, any_name)
    query = {"text": "oak table"}
    await shop.teach("7", user="ann", query=query)
    asked: dict[str, Any] = {"query": query, "mode": "lexical", "track": False, "user_id": "ann", "limit": 4}
    first = await studio.search(any_name, **asked)
    assert first["results"][0]["id"] == "7"

    async def away(*_: object) -> None:
        raise UnavailableError("Triton does not answer", retry_after=2)

    monkeypatch.setattr(studio.container.encoders, "encode", away)
    assert len((await studio.search(any_name, **asked))["results"]) == 4
    url = f"/api/v1/collections/{any_name}/search"
    for fields in ({"mode": "vector"}, {"cursor": first["next_cursor"]}):
        answer = await studio.client.post(url, json={**asked, **fields})
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "2"), answer.text
    await studio.client.delete(f"/api/v1/collections/{any_name}")
