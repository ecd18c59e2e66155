"""An experiment from its creation to the deployment of the arm that won."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from embedding_studio.vector_store import Collection
from integration.experiments.conftest import Begin, Json
from studio import Studio

pytestmark = pytest.mark.anyio

VALID: Json = {
    "name": "n",
    "kind": "ab",
    "control": {"model_version": 1},
    "treatment": {"model_version": 1, "ranking": {"mode": "lexical"}},
}


def url(shop: Collection, rest: str = "") -> str:
    return f"/api/v1/collections/{shop.name}/experiments{rest}"


async def stop(studio: Studio, shop: Collection, experiment_id: str, **wish: Any) -> Json:
    answer = await studio.client.post(url(shop, f"/{experiment_id}/stop"), json=wish)
    assert answer.status_code == 200, answer.text
    studio.container.trials._seen.clear()
    return dict(answer.json())


async def test_an_experiment_is_made_looked_at_listed_and_stopped(
    studio: Studio, shop: Collection, version: int, begin: Begin
) -> None:
    made = await begin(traffic=0.5, unit="session", stop={"max_sessions": 10, "min_sessions": 2, "alpha": 0.1})
    assert made["state"] == "running"
    assert made["control"] == {"model_version": 1, "ranking": {}}
    assert made["treatment"] == {"model_version": version, "ranking": {}}
    assert made["stop"] == {"max_sessions": 10, "min_sessions": 2, "alpha": 0.1}
    assert (made["traffic"], made["unit"], made["decision"]) == (0.5, "session", None)
    seen = (await studio.client.get(url(shop, f"/{made['id']}"))).json()
    assert {name: seen[name] for name in made} == made
    ended = await stop(studio, shop, made["id"])
    assert (ended["state"], ended["reason"], ended["task_id"]) == ("stopped", "somebody stopped it", None)
    others = [(await begin(name=str(number)))["id"] for number in range(2) if await stop_live(studio, shop)]
    page = (await studio.client.get(url(shop), params={"limit": 2})).json()
    assert [one["id"] for one in page["items"]] == others[::-1]
    rest = (await studio.client.get(url(shop), params={"cursor": page["next_cursor"]})).json()
    assert ([one["id"] for one in rest["items"]], rest["next_cursor"]) == ([made["id"]], None)


async def stop_live(studio: Studio, shop: Collection) -> bool:
    for one in (await studio.client.get(url(shop))).json()["items"]:
        if one["state"] == "running":
            await stop(studio, shop, one["id"])
    return True


async def test_a_collection_has_one_experiment_at_a_time(studio: Studio, shop: Collection, begin: Begin) -> None:
    made = await begin()
    second = await studio.client.post(url(shop), json=VALID)
    assert second.status_code == 409
    await stop(studio, shop, made["id"])
    assert (await studio.client.post(url(shop, f"/{made['id']}/stop"))).status_code == 409
    assert (await studio.client.post(url(shop), json=VALID)).status_code == 201


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"kind": "other"}, "kind"),
        ({"traffic": 1.5}, "traffic"),
        ({"name": ""}, "name"),
        ({"control": {"model_version": 0}}, "control.model_version"),
        ({"treatment": {"model_version": 99}}, "treatment.model_version"),
        ({"treatment": {"model_version": 1, "ranking": {"depth": 0}}}, "treatment.ranking.depth"),
        ({"treatment": {"model_version": 1, "ranking": {"speed": 1}}}, "treatment.ranking.speed"),
        ({"treatment": {"model_version": 1, "ranking": {"mode": "best"}}}, "treatment.ranking.mode"),
        ({"control": {"model_version": 1, "ranking": {"fusion": {"kind": "sum"}}}}, "control.ranking.fusion.kind"),
        ({"stop": {"max_sessions": 1, "min_sessions": 2}}, "stop.max_sessions"),
        ({"stop": {"alpha": 0}}, "stop.alpha"),
        ({"salt": "x"}, "salt"),
    ],
)
async def test_a_bad_wish_names_its_place(studio: Studio, shop: Collection, change: Json, field: str) -> None:
    answer = await studio.client.post(url(shop), json=VALID | change)
    assert answer.status_code == 400
    assert [one["field"] for one in answer.json()["errors"]] == [field]


async def test_what_is_not_there_is_not_found(studio: Studio, shop: Collection) -> None:
    assert (await studio.client.get(url(shop, "/nothing"))).status_code == 404
    assert (await studio.client.post(url(shop, "/nothing/stop"))).status_code == 404
    nowhere = "/api/v1/collections/nowhere/experiments"
    assert (await studio.client.get(nowhere)).status_code == 404
    assert (await studio.client.post(nowhere, json=VALID)).status_code == 404


async def test_every_user_stays_in_one_variant_and_both_variants_are_seen(
    studio: Studio, shop: Collection, version: int, begin: Begin
) -> None:
    made = await begin()
    users = [f"user-{number}" for number in range(40)]
    seen: dict[str, set[tuple[str | None, int]]] = {user: set() for user in users}
    for query in ("couch", "vehicle", "music"):
        for user in users:
            found = await studio.search(shop.name, query=query, user_id=user)
            seen[user].add((found["variant"], found["model_version"]))
            session = (await studio.client.get(f"/api/v1/sessions/{found['session_id']}")).json()
            assert (session["experiment"], session["variant"]) == (made["id"], found["variant"])
            assert session["took_ms"] > 0
    assert all(len(one) == 1 for one in seen.values())
    assert set.union(*seen.values()) == {("control", 1), ("treatment", version)}


async def test_each_arm_answers_as_its_model_does(studio: Studio, shop: Collection, begin: Begin) -> None:
    plain = await studio.search(shop.name, query="couch", mode="vector", track=False)
    await begin()
    found: dict[str, list[str]] = {}
    for number in range(30):
        answer = await studio.search(shop.name, query="couch", mode="vector", user_id=f"u{number}", track=False)
        assert answer["session_id"] is None
        order = [one["id"] for one in answer["results"]]
        assert found.setdefault(answer["variant"], order) == order
    assert found["control"] == [one["id"] for one in plain["results"]]
    assert found["treatment"] != found["control"]


async def test_who_is_not_known_is_in_no_experiment_among_users(studio: Studio, shop: Collection, begin: Begin) -> None:
    await begin()
    assert {(await studio.search(shop.name, query="couch"))["variant"] for _ in range(10)} == {None}


async def test_sessions_are_drawn_one_by_one_and_only_those_that_are_recorded(
    studio: Studio, shop: Collection, begin: Begin
) -> None:
    await begin(unit="session")
    drawn = Counter([(await studio.search(shop.name, query="couch", user_id="ann"))["variant"] for _ in range(40)])
    assert set(drawn) == {"control", "treatment"}
    assert (await studio.search(shop.name, query="couch", track=False))["variant"] is None


async def test_traffic_is_the_share_of_units_that_are_in_it(studio: Studio, shop: Collection, begin: Begin) -> None:
    made = await begin(traffic=0.0)
    assert (await studio.search(shop.name, query="couch", user_id="ann"))["variant"] is None
    await stop(studio, shop, made["id"])
    await begin(traffic=0.5)
    seen = {(await studio.search(shop.name, query="couch", user_id=f"u{n}"))["variant"] for n in range(60)}
    assert seen == {None, "control", "treatment"}


@pytest.fixture
async def treated(studio: Studio, shop: Collection) -> Callable[[], Any]:
    async def find() -> str:
        for number in range(50):
            user = f"u{number}"
            if (await studio.search(shop.name, query="x", user_id=user, track=False))["variant"] == "treatment":
                return user
        raise AssertionError("nobody is in the treatment")

    return find


async def test_pages_stay_with_the_arm_of_the_first_also_when_the_experiment_ends(
    studio: Studio, shop: Collection, version: int, begin: Begin, treated: Callable[[], Any]
) -> None:
    made = await begin()
    asked: Json = {"query": "couch", "mode": "vector", "user_id": await treated()}
    whole = await studio.search(shop.name, **asked, limit=30)
    assert (whole["variant"], whole["model_version"]) == ("treatment", version)
    page, found = await studio.search(shop.name, **asked, limit=7), []
    while True:
        found += [one["id"] for one in page["results"]]
        assert page["model_version"] == version
        if page["next_cursor"] is None:
            break
        if len(found) == 14:
            await stop(studio, shop, made["id"])
            assert (await studio.search(shop.name, **asked))["variant"] is None
        page = await studio.search(shop.name, **asked, limit=7, cursor=page["next_cursor"])
    assert found == [one["id"] for one in whole["results"]]


@pytest.mark.parametrize("cursor", ["a.b", "0" * 32 + ".control.abc", "x" * 32 + ".treatment.abc", "..."])
async def test_a_forged_cursor_is_refused(studio: Studio, shop: Collection, cursor: str) -> None:
    answer = await studio.client.post(
        f"/api/v1/collections/{shop.name}/search", json={"query": "couch", "cursor": cursor}
    )
    assert answer.status_code == 400


@pytest.mark.parametrize(
    ("ranking", "differs"),
    [
        ({"mode": "lexical"}, True),
        ({"mode": "vector"}, True),
        ({"fusion": {"kind": "weighted", "vector": 0.0}}, True),
        ({"depth": 1}, True),
        ({"memory": False, "rankers": False}, False),
    ],
)
async def test_an_arm_may_differ_in_its_ranking(
    studio: Studio, shop: Collection, begin: Begin, treated: Callable[[], Any], ranking: Json, differs: bool
) -> None:
    asked = {"query": "red music vehicle", "track": False, "explain": True}
    plain = [(one["id"], one["score"]) for one in (await studio.search(shop.name, **asked))["results"]]
    await begin(treatment={"model_version": 1, "ranking": ranking})
    found = await studio.search(shop.name, **asked, user_id=await treated())
    assert found["variant"] == "treatment"
    assert ([(one["id"], one["score"]) for one in found["results"]] != plain) == differs


async def test_a_listing_is_no_part_of_an_experiment(studio: Studio, shop: Collection, begin: Begin) -> None:
    await begin()
    found = await studio.search(shop.name, filter={"field": "title", "prefix": "red"}, user_id="ann")
    assert found["variant"] is None
    session = (await studio.client.get(f"/api/v1/sessions/{found['session_id']}")).json()
    assert session["experiment"] is None


async def test_an_arm_is_promoted_by_the_task_that_the_answer_names(
    studio: Studio, shop: Collection, version: int, begin: Begin
) -> None:
    made = await begin()
    ended = await stop(studio, shop, made["id"], promote="treatment")
    assert (ended["state"], ended["promoted"]) == ("stopped", "treatment")
    task = await studio.work(ended["task_id"])
    assert (task["kind"], task["state"]) == ("deploy", "succeeded")
    assert task["result"]["model_version"] == version
    assert (await studio.container.collections.current(shop.name)).model_version == version
    again = await studio.client.post(url(shop, f"/{made['id']}/stop"), json={"promote": "control"})
    assert again.status_code == 409


async def test_what_serves_already_needs_no_deployment(studio: Studio, shop: Collection, begin: Begin) -> None:
    ended = await stop(studio, shop, (await begin())["id"], promote="control")
    assert (ended["promoted"], ended["task_id"]) == ("control", None)


async def test_a_ranking_cannot_be_promoted(studio: Studio, shop: Collection, begin: Begin) -> None:
    treatment = {"model_version": 1, "ranking": {"mode": "lexical"}}
    refused = await studio.client.post(url(shop), json=VALID | {"promote": "if_better"})
    assert refused.status_code == 409
    made = await begin(treatment=treatment)
    answer = await studio.client.post(url(shop, f"/{made['id']}/stop"), json={"promote": "treatment"})
    assert answer.status_code == 409
    assert (await studio.client.get(url(shop, f"/{made['id']}"))).json()["state"] == "running"


async def test_experiments_go_with_their_collection(studio: Studio, begin: Begin, shop: Collection) -> None:
    made = await begin()
    await studio.client.delete(f"/api/v1/collections/{shop.name}")
    await studio.create(shop.name)
    assert (await studio.client.get(url(shop))).json()["items"] == []
    assert await studio.container.database["experiments"].count_documents({"_id": made["id"]}) == 0


async def test_a_promotion_that_a_crash_prevented_is_made_up_for(
    studio: Studio, shop: Collection, version: int, begin: Begin
) -> None:
    made = await begin()
    await studio.container.database["experiments"].update_one(
        {"_id": made["id"]},
        {"$set": {"state": "stopped", "is_live": False, "promoted": "treatment", "owes_promotion": True}},
    )
    for _ in range(2):
        await studio.container.ending.tidy()
    task_id = (await studio.client.get(url(shop, f"/{made['id']}"))).json()["task_id"]
    assert (await studio.work(task_id))["result"]["model_version"] == version


async def test_what_an_experiment_held_is_let_go_when_it_has_ended(
    studio: Studio, shop: Collection, begin: Begin
) -> None:
    made = await begin()
    holder = f"experiment:{made['id']}"
    await studio.container.ending.tidy()
    assert holder in await studio.container.holds.holders("experiment")
    await stop(studio, shop, made["id"])
    await studio.container.ending.tidy()
    assert holder not in await studio.container.holds.holders("experiment")
