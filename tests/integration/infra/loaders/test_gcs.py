"""Reading a bucket of a Google Cloud Storage emulator."""

import gzip
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

from embedding_studio.infra.loaders import Loaded
from embedding_studio.kernel.errors import ForbiddenError, InvalidError, NotFoundError, UnavailableError
from embedding_studio.sdk.loading import GcsLoader
from unit.infra.loaders.reading import assert_resumable, outline, read_all

pytestmark = [pytest.mark.anyio, pytest.mark.integration]


def put(gcs: str, key: str, data: bytes) -> None:
    client = storage.Client(project="test", credentials=AnonymousCredentials(), client_options={"api_endpoint": gcs})
    client.bucket("catalog").blob(key).upload_from_string(data)


def part(gcs: str, prefix: str, bucket: str = "catalog") -> GcsLoader:
    return GcsLoader(bucket, prefix, endpoint=gcs, credentials_env=None)


async def test_every_format_is_read_and_resumed_anywhere(gcs: str) -> None:
    pq.write_table(pa.table({"id": [1, 2]}), table := pa.BufferOutputStream())
    put(gcs, "in/a.parquet", table.getvalue().to_pybytes())
    put(gcs, "in/b-c.jsonl", b'{"id": 3}\nno\n{"id": 4}\n')
    put(gcs, "in/b/d.jsonl.gz", gzip.compress(b'{"id": 5}\n{"id": 6}\n'))
    put(gcs, "in/e f.txt", b"words")
    put(gcs, "in/g.csv", b"id,name\n7,Sofa\n")
    put(gcs, "in/h.png", b"\x89PNG")
    put(gcs, "other/i.txt", b"not ours")

    records = await assert_resumable(part(gcs, "in/").build({}))

    assert sorted(name for name, _ in outline(records)) == sorted(
        ["1", "2", "3", "in/b-c.jsonl:2", "4", "5", "6", "in/e f.txt", "7", "in/h.png"]
    )


async def test_more_objects_than_a_page_are_listed(gcs: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("embedding_studio.infra.loaders.gcs.PAGE", 10)
    for number in range(35):
        put(gcs, f"many/{number:04d}.txt", b"x")
    loader = part(gcs, "many/").build({})

    records = await read_all(loader)

    assert [one.id for one in records] == [f"many/{number:04d}.txt" for number in range(35)]
    assert await read_all(loader, records[20].cursor) == records[21:]


async def test_fetch_gives_the_bytes_of_declared_objects_alone(gcs: str) -> None:
    put(gcs, "pictures/a.png", b"\x89PNG")
    loader = part(gcs, "pictures/").build({"prefix": "a"})
    (record,) = await read_all(loader)

    assert isinstance(record, Loaded)
    assert record.source == {"bucket": "catalog", "key": "pictures/a.png"}
    assert await loader.fetch(record.source) == b"\x89PNG"
    with pytest.raises(NotFoundError):
        await loader.fetch({"bucket": "catalog", "key": "pictures/none.png"})
    for bucket, key in [("catalog", "in/h.png"), ("catalog", "pictures/../in/h.png"), ("other", "pictures/a.png")]:
        with pytest.raises(InvalidError, match="source"):
            await loader.fetch({"bucket": bucket, "key": key})


async def test_a_bucket_that_does_not_exist_is_an_error(gcs: str) -> None:
    with pytest.raises(NotFoundError, match="nowhere"):
        await read_all(part(gcs, "", "nowhere").build({}))


async def test_credentials_come_from_the_named_file(gcs: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    loader = GcsLoader("catalog", endpoint=gcs, credentials_env="CATALOG_CREDENTIALS").build({})
    with pytest.raises(UnavailableError, match="CATALOG_CREDENTIALS"):
        await read_all(loader)

    (tmp_path / "key.json").write_text('{"private_key": "the-secret"}')
    monkeypatch.setenv("CATALOG_CREDENTIALS", str(tmp_path / "key.json"))
    with pytest.raises(ForbiddenError, match="CATALOG_CREDENTIALS"):
        await read_all(loader)
