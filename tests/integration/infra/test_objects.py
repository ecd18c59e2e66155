"""Objects in a folder and in S3: whole or not there, whatever the network does."""

import asyncio
import hashlib
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from embedding_studio.infra.embedded import Supervisor, free_port
from embedding_studio.infra.objects import Objects, ObjectSettings, open_objects
from embedding_studio.kernel.errors import ForbiddenError, InvalidError, NotFoundError, UnavailableError
from integration.infra.loaders.web_server import Answer, WebServer, web_server
from services import Certificates, S3Server, start_s3

pytestmark = [pytest.mark.anyio, pytest.mark.integration]

SECRET = SecretStr("the-secret-of-s3")
LARGE = bytes(range(256)) * 4096 * 12
"""12 MiB: more than one part of an upload."""


@pytest.fixture(scope="module")
def tls() -> Iterator[Certificates]:
    with tempfile.TemporaryDirectory() as folder:
        yield Certificates.made_in(Path(folder))


@pytest.fixture(scope="module")
def s3(tls: Certificates) -> Iterator[S3Server]:
    with (
        tempfile.TemporaryDirectory(prefix="embedding-studio-s3-") as folder,
        Supervisor(stop_deadline_s=1.0) as supervisor,
    ):
        server = start_s3(supervisor, Path(folder), access_key="studio", secret_key=SECRET.get_secret_value(), tls=tls)
        server.client.make_bucket("objects")
        yield server


@pytest.fixture
def in_s3(s3: S3Server, tls: Certificates) -> ObjectSettings:
    return ObjectSettings(
        endpoint=s3.endpoint,
        ca_file=tls.authority,
        bucket="objects",
        access_key=SecretStr(s3.access_key),
        secret_key=SecretStr(s3.secret_key),
    )


@pytest.fixture(params=["folder", "s3"])
async def objects(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Objects]:
    settings = ObjectSettings(folder=tmp_path / "objects")
    if request.param == "s3":
        settings = request.getfixturevalue("in_s3")
    async with open_objects(settings) as opened:
        yield opened


@pytest.fixture
def web() -> Iterator[WebServer]:
    with web_server() as web:
        yield web


def at(web: WebServer, *, deadline: float = 600.0) -> ObjectSettings:
    return ObjectSettings(
        endpoint=web.host, secure=False, bucket="objects", access_key=SECRET, secret_key=SECRET, deadline=deadline
    )


def stored(data: bytes, cut: int | None = None) -> Answer:
    return Answer(data, headers={"x-amz-meta-sha256": hashlib.sha256(data).hexdigest()}, cut=cut)


def files_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.is_file())


async def test_what_was_put_last_is_got(objects: Objects) -> None:
    await objects.put("models/1/2/adapter.safetensors", b"first")
    await objects.put("models/1/2/adapter.safetensors", b"")
    assert await objects.get("models/1/2/adapter.safetensors") == b""
    with pytest.raises(NotFoundError, match="no object 'models/1/2/gate"):
        await objects.get("models/1/2/gate.json")


async def test_files_come_as_they_went(objects: Objects, tmp_path: Path) -> None:
    (tmp_path / "model").write_bytes(LARGE)
    await objects.put_file("large/model.onnx", tmp_path / "model")
    await objects.get_file("large/model.onnx", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == LARGE
    with pytest.raises(NotFoundError):
        await objects.get_file("large/none.onnx", tmp_path / "none")
    assert files_in(tmp_path) == ["copy", "model"]


async def test_a_folder_goes_with_all_that_lies_in_it_and_nothing_else(objects: Objects) -> None:
    for key in ("a/1/x.json", "a/1/torch/y.json", "a/10/x.json"):
        await objects.put(key, b"{}")
    assert await objects.keys("a/1") == ["a/1/torch/y.json", "a/1/x.json"]
    await objects.delete_folder("a/1")
    await objects.delete_folder("a/1")
    assert await objects.keys("a") == ["a/10/x.json"]
    await objects.delete_folder("a")


async def test_what_cannot_be_deleted_is_said(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "models").symlink_to(tmp_path / "elsewhere")
    async with open_objects(ObjectSettings(folder=tmp_path)) as objects:
        with pytest.raises(UnavailableError, match="'models' cannot be deleted"):
            await objects.delete_folder("models")


@pytest.mark.parametrize("key", ["../x", "a//b", "/etc/passwd", "a/.hidden", "a b", ""])
async def test_a_key_leads_nowhere_else(objects: Objects, tmp_path: Path, key: str) -> None:
    for call in (
        objects.get(key),
        objects.put(key, b""),
        objects.keys(key),
        objects.delete_folder(key),
        objects.get_file(key, tmp_path / "x"),
    ):
        with pytest.raises(InvalidError):
            await call


async def test_many_at_once(objects: Objects) -> None:
    keys = [f"many/{number}.bin" for number in range(40)]
    await asyncio.gather(*(objects.put(key, key.encode() * 1000) for key in keys))
    found = await asyncio.gather(*map(objects.get, keys))
    assert found == [key.encode() * 1000 for key in keys]
    await objects.delete_folder("many")
    assert await objects.keys("many") == []


async def test_an_answer_that_broke_off_or_was_refused_for_the_moment_is_asked_for_again(web: WebServer) -> None:
    whole = stored(b"x" * 3000)
    web.put("/objects/a.bin", stored(b"x" * 3000, cut=1000), Answer(status=503), whole)
    async with open_objects(at(web)) as objects:
        assert await objects.get("a.bin") == whole.body


async def test_bytes_that_are_not_those_that_were_stored_reach_nobody(web: WebServer, tmp_path: Path) -> None:
    damaged = Answer(b"y" * 3000, headers=stored(b"x" * 3000).headers)
    web.put("/objects/a.bin", damaged)
    async with open_objects(at(web)) as objects:
        with pytest.raises(UnavailableError, match="otherwise than it was stored"):
            await objects.get("a.bin")
        with pytest.raises(UnavailableError):
            await objects.get_file("a.bin", tmp_path / "a.bin")
    assert files_in(tmp_path) == []
    assert len(web.requests) == 8


async def test_who_is_slow_is_given_up(web: WebServer) -> None:
    web.put("/objects/a.bin", stored(b"x" * 3_000_000))
    async with open_objects(at(web, deadline=1e-9)) as objects:
        with pytest.raises(UnavailableError, match="too slow"):
            await objects.get("a.bin")


async def test_a_service_that_is_not_there_is_an_outage() -> None:
    settings = ObjectSettings(endpoint=f"127.0.0.1:{free_port()}", secure=False, access_key=SECRET, secret_key=SECRET)
    async with open_objects(settings) as objects:
        with pytest.raises(UnavailableError, match="does not answer") as caught:
            await objects.get("a.bin")
    assert settings.endpoint not in caught.value.detail


async def test_wrong_keys_and_buckets_are_told_from_missing_objects(in_s3: ObjectSettings) -> None:
    async with open_objects(in_s3.model_copy(update={"bucket": "nowhere"})) as objects:
        with pytest.raises(UnavailableError, match="no bucket nowhere"):
            await objects.get("a.bin")
    async with open_objects(in_s3.model_copy(update={"secret_key": SecretStr("wrong")})) as objects:
        with pytest.raises(ForbiddenError):
            await objects.get("a.bin")


async def test_a_certificate_of_somebody_else_is_not_trusted(in_s3: ObjectSettings, tmp_path: Path) -> None:
    other = Certificates.made_in(tmp_path)
    async with AsyncExitStack() as stack:
        objects = await stack.enter_async_context(open_objects(in_s3.model_copy(update={"ca_file": other.authority})))
        with pytest.raises(UnavailableError, match="SSLError"):
            await objects.get("a.bin")


def test_an_endpoint_needs_keys() -> None:
    with pytest.raises(ValidationError, match="access_key and secret_key"):
        ObjectSettings(endpoint="s3.example.org", access_key=SECRET)
