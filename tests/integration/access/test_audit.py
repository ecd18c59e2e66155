"""The audit log is written before what it tells of, and no flood drowns it."""

import logging
from datetime import timedelta

import pytest

from embedding_studio.access import Action, AuditEntry

from .conftest import Access

pytestmark = pytest.mark.anyio

ACTION = Action("0" * 16, "DELETE /api/v1/collections/{name}", "/api/v1/collections/shop", "203.0.113.7", "r1")


@pytest.fixture(autouse=True)
async def _empty(access: Access) -> None:  # noqa: ARG001  # its connection
    await AuditEntry.find_all().delete()


async def seen(access: Access, **fields: object) -> list[AuditEntry]:
    wanted = {"key_id": None, "since": None, "until": None, "before": "g", "limit": 100, **fields}
    return await access.audit.page(**wanted)  # type: ignore[arg-type]  # a test gives the right ones


async def test_an_action_is_there_before_it_has_ended(access: Access) -> None:
    entry = await access.audit.begin(ACTION)
    (begun,) = await seen(access)
    assert (begun.id, begun.status, begun.action, begun.request_id) == (entry, None, ACTION.action, "r1")
    await access.audit.end(entry, 204)
    (ended,) = await seen(access)
    assert ended.status == 204


async def test_entries_go_when_their_time_is_over(access: Access) -> None:
    await access.audit.begin(ACTION)
    (entry,) = await seen(access)
    assert (entry.expires_at - entry.at).days == access.settings.audit_days
    indexes = await AuditEntry.get_pymongo_collection().index_information()
    assert [one["key"] for one in indexes.values() if one.get("expireAfterSeconds") == 0] == [[("expires_at", 1)]]


async def test_a_list_is_newest_first_and_of_a_key_and_a_time(access: Access) -> None:
    ids = [await access.audit.begin(ACTION) for _ in range(3)]
    other = await access.audit.begin(Action("f" * 16, "x", "y"))
    newest_first = sorted([*ids, other], reverse=True)
    assert [one.id for one in await seen(access)] == newest_first
    assert [one.id for one in await seen(access, key_id="f" * 16)] == [other]
    assert [one.id for one in await seen(access, before=newest_first[1], limit=1)] == [newest_first[2]]
    (last, *_) = await seen(access)
    tomorrow = last.expires_at
    assert await seen(access, since=tomorrow) == []
    assert await seen(access, until=last.at - timedelta(days=20_000)) == []
    assert len(await seen(access, until=tomorrow, since=last.at - timedelta(days=365))) == 4


async def test_refusals_are_bounded_and_the_rest_is_told_once(access: Access, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        for _ in range(100):
            await access.audit.refuse(ACTION, 403)
    assert len(await seen(access)) == 60
    assert len(caplog.messages) == 1
    access.pass_time(60)
    await access.audit.refuse(ACTION, 403)
    assert len(await seen(access)) == 61


async def test_a_refusal_that_cannot_be_written_is_logged(
    access: Access, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(_entry: object) -> None:
        raise ConnectionRefusedError

    monkeypatch.setattr(access.audit._entries, "add", fail)
    await access.audit.refuse(ACTION, 403)
    assert "/api/v1/collections/shop" in caplog.text
    with pytest.raises(ConnectionRefusedError):
        await access.audit.begin(ACTION)


async def test_a_long_address_is_cut(access: Access) -> None:
    await access.audit.begin(Action(None, "x", "y" * 100_000))
    (entry,) = await seen(access)
    assert len(entry.target) == 2_000
