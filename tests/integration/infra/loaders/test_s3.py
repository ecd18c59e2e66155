"""Reading a bucket of a real S3 server."""

import gzip
import io
import traceback
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from embedding_studio.infra.loaders import Loaded, LoadFailure
from embedding_studio.kernel.errors import ForbiddenError, InvalidError, NotFoundError, UnavailableError
from embedding_studio.sdk.loading import S3Loader
from services import S3Server
from unit.infra.loaders.reading import assert_resumable, outline, read_all

pytestmark = [pytest.mark.anyio, pytest.mark.integration]


@pytest.fixture
def bucket(s3: S3Server, any_name: str) -> Iterator[str]:
    name = f"catalog-{any_name}"
    s3.client.make_bucket(name)
    yield name
    for one in s3.client.list_objects(name, recursive=True):
        s3.client.remove_object(name, one.object_name or "")
    s3.client.remove_bucket(name)


def put(s3: S3Server, bucket: str, key: str, data: bytes) -> None:
    s3.client.put_object(bucket, key, io.BytesIO(data), len(data))


def part(s3: S3Server, bucket: str, prefix: str = "", glob: str = "**") -> S3Loader:
    return S3Loader(bucket, prefix, glob, endpoint=s3.endpoint, secure=False)


@pytest.mark.usefixtures("s3_credentials")
async def test_every_format_is_read_and_resumed_anywhere(s3: S3Server, bucket: str) -> None:
    pq.write_table(pa.table({"id": [1, 2]}), table := pa.BufferOutputStream())
    put(s3, bucket, "in/a.parquet", table.getvalue().to_pybytes())
    put(s3, bucket, "in/b-c.jsonl", b'{"id": 3}\nno\n{"id": 4}\n')
    put(s3, bucket, "in/b/d.jsonl.gz", gzip.compress(b'{"id": 5}\n{"id": 6}\n'))
    put(s3, bucket, "in/e f+\N{SNOWMAN}.txt", b"words")
    put(s3, bucket, "in/empty.jsonl", b"")
    put(s3, bucket, "in/g.csv", b"id,name\n7,Sofa\n")
    put(s3, bucket, "in/h.png", b"\x89PNG")
    put(s3, bucket, "other/i.txt", b"not ours")

    records = await assert_resumable(part(s3, bucket, "in/").build({}))

    assert sorted(outline(records)) == sorted(
        [
            *[(str(name), {}) for name in range(1, 7)],
            ("in/b-c.jsonl:2", next(one.reason for one in records if isinstance(one, LoadFailure))),
            ("in/e f+\N{SNOWMAN}.txt", {"path": "in/e f+\N{SNOWMAN}.txt", "text": "words"}),
            ("7", {"name": "Sofa"}),
            ("in/h.png", {"path": "in/h.png"}),
        ]
    )


@pytest.mark.usefixtures("s3_credentials")
async def test_more_objects_than_a_page_are_listed(s3: S3Server, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("embedding_studio.infra.loaders.s3.PAGE", 10)
    for number in range(35):
        put(s3, bucket, f"{number % 7}/{number}.txt", b"x")
    loader = part(s3, bucket).build({})

    records = await read_all(loader)

    assert {one.id for one in records} == {f"{number % 7}/{number}.txt" for number in range(35)}
    assert await read_all(loader, records[20].cursor) == records[21:]


@pytest.mark.usefixtures("s3_credentials")
async def test_fetch_gives_the_bytes_of_declared_objects_alone(s3: S3Server, bucket: str) -> None:
    put(s3, bucket, "in/a.png", b"\x89PNG")
    put(s3, bucket, "secret.png", b"secret")
    loader = part(s3, bucket, "in/").build({"prefix": "a"})
    (record,) = await read_all(loader)

    assert isinstance(record, Loaded)
    assert record.source == {"bucket": bucket, "key": "in/a.png"}
    assert await loader.fetch(record.source) == b"\x89PNG"
    with pytest.raises(NotFoundError):
        await loader.fetch({"bucket": bucket, "key": "in/none.png"})
    for name, key in [(bucket, "secret.png"), (bucket, "in/../secret.png"), ("probe", "in/a.png"), (bucket, "in//a")]:
        with pytest.raises(InvalidError, match="source"):
            await loader.fetch({"bucket": name, "key": key})


@pytest.mark.usefixtures("s3_credentials")
async def test_an_object_that_is_replaced_while_it_is_read_is_never_mixed(s3: S3Server, bucket: str) -> None:
    lines = b"".join(b'{"id": "a%d", "text": "%s"}\n' % (row, b"x" * 2000) for row in range(4000))
    put(s3, bucket, "a.jsonl", lines)
    loader = part(s3, bucket).build({})
    read: list[Loaded | LoadFailure] = []

    with pytest.raises(UnavailableError, match="replaced"):  # noqa: PT012  # it is replaced while the loop runs
        async for record in loader.read(None):
            if not read:
                put(s3, bucket, "a.jsonl", lines.replace(b'"a', b'"b'))
            read.append(record)

    again = await read_all(loader, read[-1].cursor)
    assert all(record.id.startswith("a") for record in read)
    assert [record.id for record in again] == [f"b{row}" for row in range(4000)]


async def test_wrong_credentials_are_named_and_not_shown(
    s3: S3Server, bucket: str, s3_credentials: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(s3, bucket, "a.txt", b"words")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong-" + s3_credentials)

    with pytest.raises(ForbiddenError, match=bucket) as refusal:
        await read_all(part(s3, bucket).build({}))

    assert "wrong-" not in "".join(traceback.format_exception(refusal.value))


@pytest.mark.usefixtures("s3_credentials")
async def test_a_bucket_that_does_not_exist_is_an_error(s3: S3Server) -> None:
    with pytest.raises(NotFoundError, match="nowhere"):
        await read_all(part(s3, "nowhere").build({}))


async def test_missing_credentials_are_named(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)

    with pytest.raises(UnavailableError, match="AWS_ACCESS_KEY_ID"):
        await read_all(part(s3, "probe").build({}))
