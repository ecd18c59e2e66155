"""Recorded sessions become the data set of a training."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from embedding_studio.fine_tuning import dataset as module
from embedding_studio.fine_tuning.dataset import Dataset, DatasetReader
from embedding_studio.fine_tuning.splits import Split, split_of
from embedding_studio.sdk import EventGains
from studio import Studio

pytestmark = pytest.mark.anyio

THINGS = ["sofa", "table", "lamp", "knife", "chair", "rug", "mirror", "shelf"]
SALT = "drawn so that each split has some"


@pytest.fixture
async def shop(studio: Studio, any_name: str) -> str:
    await studio.create(any_name)
    await studio.add(any_name, [{"id": thing, "payload": {"title": f"a {thing}"}} for thing in THINGS])
    return any_name


async def search(studio: Studio, name: str, thing: str, user: str, *, clicks: bool) -> str:
    shown = await studio.search(name, query=f"a nice {thing}", user_id=user, limit=5)
    session = str(shown["session_id"])
    if clicks:
        item = shown["results"][THINGS.index(thing) % 5]["id"]
        event = {"event_id": f"{session}-1", "session_id": session, "item_id": item, "type": "click"}
        answer = await studio.client.post("/api/v1/events", json={"events": [event]})
        assert answer.json()["accepted"] == 1
    return session


async def agree(studio: Studio, name: str) -> list[str]:
    """Three users click the same, which stands elsewhere for each query: at one place it could be the place."""
    users = ("ann", "bob", "cem")
    return [await search(studio, name, thing, user, clicks=True) for thing in THINGS for user in users]


async def read(studio: Studio, name: str) -> Dataset:
    container = studio.container
    reader = DatasetReader(clickstream=container.clickstream, curated=container.curated, items=container.items)
    collection = await container.collections.current(name)
    until = datetime.now(UTC) + timedelta(minutes=1)
    return await reader.read(collection, EventGains().build(), since=None, until=until, salt=SALT)


async def test_the_same_sessions_make_the_same_data_set(studio: Studio, shop: str) -> None:
    await agree(studio, shop)
    first, second = await read(studio, shop), await read(studio, shop)
    assert len(first.groups) == len(THINGS)
    assert first.judgments.content_hash == second.judgments.content_hash
    assert first.groups == second.groups
    group = first.groups["a nice sofa"]
    assert set(group.gains) == {"sofa"}
    assert len(group.shown) == 5
    assert 0 < group.gains["sofa"] < 0.5  # a click's gain, as far as it is sure


async def test_sessions_in_which_nothing_was_clicked_speak_against(studio: Studio, shop: str) -> None:
    await agree(studio, shop)
    before = await read(studio, shop)
    for number in range(12):
        await search(studio, shop, "sofa", f"u{number}", clicks=False)
    after = await read(studio, shop)
    assert after.sessions == before.sessions + 12
    weights = [{row.item_id: row.weight for row in one.judgments.rows} for one in (before, after)]
    assert weights[1].get("sofa", 0.0) < weights[0]["sofa"]


async def test_what_shall_not_teach_is_counted(studio: Studio, shop: str) -> None:
    sessions = await agree(studio, shop)
    for session in sessions[:2]:
        assert (await studio.client.post(f"/api/v1/sessions/{session}/irrelevant")).status_code == 204
    found = await read(studio, shop)
    assert found.dropped == {"irrelevant": 2, "too_few_users": 1}
    assert "a nice sofa" not in found.groups


async def test_of_too_many_sessions_the_newest_are_read(
    studio: Studio, shop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_SESSIONS", 21)
    await agree(studio, shop)
    found = await read(studio, shop)
    assert found.dropped["too_old"] == 3
    assert "a nice sofa" not in found.groups
    assert "a nice shelf" in found.groups


def groups_of(*splits: Split) -> list[str]:
    groups = [f"a nice {thing}" for thing in THINGS]
    return [group for group in groups if split_of(group, salt=SALT) in splits]


async def decide(studio: Studio, name: str, *judgments: tuple[str, str, float]) -> None:
    rows = [{"query": query, "item_id": item, "gain": gain} for query, item, gain in judgments]
    answer = await studio.client.put(f"/api/v1/collections/{name}/judgments", json={"judgments": rows})
    assert answer.status_code == 200, answer.text


async def test_an_editor_outranks_clicks_where_training_and_choice_look(studio: Studio, shop: str) -> None:
    await agree(studio, shop)
    before = await read(studio, shop)
    clicked = {group: next(iter(before.groups[group].gains)) for group in groups_of("train", "dev")}
    wanted = {group: "lamp" if item == "rug" else "rug" for group, item in clicked.items()}
    await decide(studio, shop, *((f"{group.upper()}!", item, -1.0) for group, item in clicked.items()))
    await decide(studio, shop, *((group, item, 0.9) for group, item in wanted.items()))
    after = await read(studio, shop)
    for group in groups_of("train", "dev"):
        assert after.groups[group].gains == {clicked[group]: -1.0, wanted[group]: 0.9}
        assert wanted[group] in after.groups[group].shown
    assert after.judgments.rows == before.judgments.rows
    assert after.curated == {}


async def test_in_the_gate_split_an_editor_guards_and_changes_nothing_else(studio: Studio, shop: str) -> None:
    await agree(studio, shop)
    before = await read(studio, shop)
    await decide(studio, shop, *((group, "rug", 0.9) for group in groups_of("gate")))
    after = await read(studio, shop)
    assert (after.groups, after.splits) == (before.groups, before.splits)
    assert {key: group.gains for key, group in after.curated.items()} == {
        key: {"rug": 0.9} for key in groups_of("gate")
    }


async def test_no_query_of_an_editor_is_in_two_splits_however_its_words_stand(studio: Studio, shop: str) -> None:
    texts = [f"{one} {other}" for one in THINGS for other in THINGS if one != other]
    await decide(studio, shop, *((text, "rug", 1.0) for text in texts))
    found = await read(studio, shop)
    taught, guarding = ({frozenset(key.split()) for key in keys} for keys in (found.splits["train"], found.curated))
    drawn = Counter(split_of(text, salt=SALT) for text in texts)
    assert (len(found.splits["train"]), len(found.curated)) == (drawn["train"], drawn["gate"])
    assert (len(taught), len(guarding)) == (drawn["train"] // 2, drawn["gate"] // 2)
    assert not taught & guarding
    assert found.splits["dev"] == found.splits["gate"] == ()  # nobody searched: there is nothing to choose by


async def test_the_curated_set_is_in_the_data_sets_hash(studio: Studio, shop: str) -> None:
    await agree(studio, shop)
    hashes = [(await read(studio, shop)).judgments.content_hash]
    for gain in (0.5, 0.5, 0.6):
        await decide(studio, shop, ("a nice sofa", "rug", gain))
        hashes.append((await read(studio, shop)).judgments.content_hash)
    assert hashes[1] == hashes[2]
    assert len(set(hashes)) == 3


async def test_items_that_an_editor_names_and_that_are_not_there_are_counted(studio: Studio, shop: str) -> None:
    await decide(studio, shop, ("a nice sofa", "gone", 1.0), ("a nice rug", "rug", 0.0))
    found = await read(studio, shop)
    assert (found.dropped, found.groups, found.curated) == ({"item_gone": 1}, {}, {})
