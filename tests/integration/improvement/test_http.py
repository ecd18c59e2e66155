"""The memory can be looked at and forgotten, row by row."""

from typing import Any

import pytest

from refusals import refused

from .conftest import Shop

pytestmark = pytest.mark.anyio


async def test_rows_say_what_they_are(shop: Shop) -> None:
    session = await shop.teach("i40", user="ann", kinds=("click", "cart"))
    (row,) = await shop.rows()
    assert row.pop("at").startswith("20")
    assert row == {
        "session_id": session,
        "item_id": "i40",
        "user_id": "ann",
        "query": "",
        "weight": pytest.approx(1.3),
        "speaks": True,
    }


async def test_rows_are_listed_page_by_page_and_by_item_and_user(shop: Shop) -> None:
    sessions = [await shop.act(f"i{n:02}", user=["ann", "bob"][n % 2]) for n in range(5)]
    await shop.learn()
    url = f"/api/v1/collections/{shop.name}/memory"
    found: list[str] = []
    cursor: str | None = None
    while True:
        params: dict[str, Any] = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = (await shop.studio.client.get(url, params=params)).json()
        found += [one["session_id"] for one in page["items"]]
        if (cursor := page["next_cursor"]) is None:
            break
    assert found == sorted(sessions)
    assert [one["item_id"] for one in await shop.rows(user_id="bob")] == ["i01", "i03"]
    assert [one["session_id"] for one in await shop.rows(item_id="i02")] == [sessions[2]]
    assert await shop.rows(item_id="i02", user_id="bob") == []


async def test_of_a_users_clicks_the_last_speaks(shop: Shop) -> None:
    first = await shop.teach("i40", user="ann")
    second = await shop.teach("i40", user="ann")
    assert {one["session_id"]: one["speaks"] for one in await shop.rows()} == {first: False, second: True}
    await shop.studio.client.post(f"/api/v1/sessions/{second}/irrelevant")
    assert [(one["session_id"], one["speaks"]) for one in await shop.rows()] == [(first, True)]


@pytest.mark.parametrize(
    ("params", "left"),
    [
        ({"item_id": "i40"}, {("i41", "ann")}),
        ({"user_id": "ann"}, {("i40", "bob")}),
        ({"item_id": "i40", "user_id": "ann"}, {("i41", "ann"), ("i40", "bob")}),
        ({}, set()),
        ({"item_id": "nothing"}, {("i40", "ann"), ("i41", "ann"), ("i40", "bob")}),
    ],
)
async def test_what_is_named_is_forgotten(shop: Shop, params: dict[str, str], left: set[tuple[str, str]]) -> None:
    before = await shop.scores(user_id="ann")
    for item, user in (("i40", "ann"), ("i41", "ann"), ("i40", "bob")):
        await shop.teach(item, user=user)
    await shop.forget(**params)
    assert {(one["item_id"], one["user_id"]) for one in await shop.rows()} == left
    if not left:
        assert await shop.scores(user_id="ann") == before


async def test_a_collection_that_learned_nothing_has_no_rows(shop: Shop) -> None:
    assert await shop.rows() == []
    await shop.forget()


async def test_bad_requests_are_refused(shop: Shop) -> None:
    url = f"/api/v1/collections/{shop.name}/memory"
    for bad in ("cursor=AAAA", "limit=0", "limit=1001", "item_id=", f"user_id={'x' * 513}", "item_id=%00"):
        await refused(shop.studio, "GET", f"{url}?{bad}", b"", None)
    await refused(shop.studio, "DELETE", f"{url}?user_id=%00", b"", None)
    await refused(shop.studio, "GET", "/api/v1/collections/none-such/memory", b"", None, status=404)
