"""Keys are made, listed, rotated and ended; their secrets are stored nowhere."""

from datetime import timedelta
from typing import Any

import pytest

from embedding_studio.access import ApiKey, KeyEndedError, KeyNotFoundError
from embedding_studio.access.credentials import read_credential
from embedding_studio.kernel.errors import InvalidError

from .conftest import Access

pytestmark = pytest.mark.anyio


async def test_what_is_stored_does_not_tell_the_secret(access: Access) -> None:
    key, text = await access.service.create("admin", name="ops")
    rotated, again = await access.service.rotate(key.id)
    stored = str(await ApiKey.get_pymongo_collection().find_one({"_id": key.id}))
    for told in (text, again):
        credential = read_credential(told)
        assert credential is not None
        assert credential.id == key.id
        assert credential.secret not in stored
    assert rotated.retiring is not None
    assert rotated.retiring.digest == key.digest != rotated.digest


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"name": "x" * 201}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"collections": []}, "collections"),
        ({"collections": ["a"] * 1001}, "collections"),
        ({"collections": ["shop", "../x"]}, "collections[1]"),
        ({"collections": ["Shop"]}, "collections[0]"),
        ({"rate": 0}, "rate"),
        ({"rate": -1}, "rate"),
        ({"rate": float("nan")}, "rate"),
        ({"rate": float("inf")}, "rate"),
        ({"role": "metrics", "collections": ["shop"]}, "collections"),
    ],
)
async def test_what_no_key_can_have_is_named(access: Access, fields: dict[str, Any], place: str) -> None:
    with pytest.raises(InvalidError) as caught:
        await access.service.create(**{"role": "search", **fields})
    assert [one.field for one in caught.value.errors] == [place]
    assert await access.service.page(after="", limit=10) == []


async def test_no_key_is_born_expired(access: Access) -> None:
    with pytest.raises(InvalidError):
        await access.service.create("search", expires_at=access.at)


async def test_a_list_has_every_key_once(access: Access) -> None:
    made = sorted([(await access.service.create("search"))[0].id for _ in range(5)])
    first = await access.service.page(after="", limit=3)
    rest = await access.service.page(after=first[-1].id, limit=3)
    assert [one.id for one in [*first, *rest]] == made


async def test_what_has_ended_stays_ended(access: Access) -> None:
    revoked, _ = await access.service.create("search")
    first = await access.service.revoke(revoked.id)
    access.pass_time(10)
    assert (await access.service.revoke(revoked.id)).revoked_at == first.revoked_at
    expired, _ = await access.service.create("search", expires_at=access.at + timedelta(seconds=5))
    access.pass_time(5)
    for one in (revoked, expired):
        with pytest.raises(KeyEndedError):
            await access.service.rotate(one.id)


@pytest.mark.parametrize("key_id", ["0" * 16, "", "$ne", "a\0b"])
async def test_an_unknown_key_is_not_found(access: Access, key_id: str) -> None:
    with pytest.raises(KeyNotFoundError):
        await access.service.revoke(key_id)
    with pytest.raises(KeyNotFoundError):
        await access.service.rotate(key_id)


async def test_a_second_rotation_ends_the_first_secret(access: Access) -> None:
    key, _ = await access.service.create("search")
    first, _ = await access.service.rotate(key.id, grace=100)
    second, _ = await access.service.rotate(key.id, grace=0)
    assert second.digests_at(access.at) == [second.digest]
    assert key.digest not in second.digests_at(access.at - timedelta(seconds=1))
    assert first.digest in second.digests_at(access.at - timedelta(seconds=1))
