"""A key is believed for seconds, and through an outage for a minute."""

import asyncio
from datetime import timedelta

import pymongo.errors
import pytest

from embedding_studio.access import Caller
from embedding_studio.access.credentials import new_credential
from embedding_studio.kernel.errors import UnauthenticatedError

from .conftest import Access

pytestmark = pytest.mark.anyio


async def test_a_key_stands_for_its_caller(access: Access) -> None:
    key, text = await access.service.create("ingest", collections=["b", "a", "b"], rate=5)
    assert await access.keyring.caller(text) == Caller(key.id, "ingest", frozenset({"a", "b"}), 5)


async def test_it_is_looked_up_once_in_five_seconds(access: Access) -> None:
    _, text = await access.service.create("search")
    for _ in range(3):
        await access.keyring.caller(text)
    access.pass_time(4.9)
    await access.keyring.caller(text)
    assert access.keys.looked == 1
    access.pass_time(0.2)
    await access.keyring.caller(text)
    assert access.keys.looked == 2


async def test_who_come_at_once_share_a_look_up(access: Access) -> None:
    _, text = await access.service.create("search")
    await asyncio.gather(*(access.keyring.caller(text) for _ in range(50)))
    assert access.keys.looked == 1


async def test_who_come_at_once_share_an_outage_too_instead_of_waiting_in_line(access: Access) -> None:
    _, text = await access.service.create("search")
    access.keys.failure = TimeoutError()
    outcomes = await asyncio.gather(*(access.keyring.caller(text) for _ in range(50)), return_exceptions=True)
    assert {type(one) for one in outcomes} == {TimeoutError}
    assert access.keys.looked == 1


async def test_who_goes_away_stops_no_look_up_of_others(access: Access) -> None:
    key, text = await access.service.create("search")
    first, second = (asyncio.create_task(access.keyring.caller(text)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    assert (await second).key_id == key.id
    assert access.keys.looked == 1


async def test_a_revoked_key_is_refused_within_five_seconds(access: Access) -> None:
    key, text = await access.service.create("search")
    await access.keyring.caller(text)
    await access.service.revoke(key.id)
    access.pass_time(5)
    with pytest.raises(UnauthenticatedError, match="revoked"):
        await access.keyring.caller(text)


async def test_a_key_ends_when_it_expires(access: Access) -> None:
    access.pass_time(0)
    _, text = await access.service.create("search", expires_at=access.at + timedelta(days=365))
    await access.keyring.caller(text)
    access.at += timedelta(days=365)
    with pytest.raises(UnauthenticatedError, match="expired"):
        await access.keyring.caller(text)


@pytest.mark.parametrize("text", ["", "es_", "es_0123456789abcdef_short", "Bearer x", "\0", "a" * 100_000])
async def test_what_has_not_the_form_of_a_key_is_not_looked_up(access: Access, text: str) -> None:
    with pytest.raises(UnauthenticatedError):
        await access.keyring.caller(text)
    assert access.keys.looked == 0


async def test_a_wrong_secret_costs_one_look_up_and_unknown_ids_are_remembered(access: Access) -> None:
    key, text = await access.service.create("search")
    guesses = [new_credential(key.id).text for _ in range(5)]
    guesses += [new_credential("f" * 16).text for _ in range(5)]
    for guess in guesses:
        with pytest.raises(UnauthenticatedError, match="the key is not valid"):
            await access.keyring.caller(guess)
    assert access.keys.looked == 2
    assert (await access.keyring.caller(text)).key_id == key.id


async def test_both_secrets_work_while_one_retires(access: Access) -> None:
    key, old = await access.service.create("search")
    await access.keyring.caller(old)
    _, new = await access.service.rotate(key.id, grace=100)
    access.pass_time(5)
    assert await access.keyring.caller(old) == await access.keyring.caller(new)
    access.pass_time(95)
    await access.keyring.caller(new)
    with pytest.raises(UnauthenticatedError):
        await access.keyring.caller(old)


@pytest.mark.parametrize("failure", [pymongo.errors.ServerSelectionTimeoutError("x"), TimeoutError(), OSError()])
async def test_a_key_that_was_seen_is_believed_while_mongodb_is_away(access: Access, failure: Exception) -> None:
    _, text = await access.service.create("search")
    _, unseen = await access.service.create("search")
    await access.keyring.caller(text)
    access.keys.failure = failure
    for _ in range(11):
        access.pass_time(5)
        await access.keyring.caller(text)
    with pytest.raises(type(failure)):
        await access.keyring.caller(unseen)
    access.pass_time(5)
    with pytest.raises(type(failure)):
        await access.keyring.caller(text)
    access.keys.failure = None
    await access.keyring.caller(text)


async def test_an_outage_is_asked_about_once_in_five_seconds(access: Access) -> None:
    _, text = await access.service.create("search")
    await access.keyring.caller(text)
    access.pass_time(5)
    access.keys.failure = TimeoutError()
    for _ in range(10):
        await access.keyring.caller(text)
    assert access.keys.looked == 2


async def test_no_flood_of_ids_fills_the_memory(access: Access, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("embedding_studio.access.keyring._MOST", 10)
    for _ in range(30):
        with pytest.raises(UnauthenticatedError):
            await access.keyring.caller(new_credential().text)
    assert len(access.keyring._seen) == 10
    assert not access.keyring._looking
