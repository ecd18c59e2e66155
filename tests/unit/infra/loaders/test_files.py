"""Files of a folder to items."""

import asyncio
import gzip
import json
import os
import threading
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embedding_studio.infra.loaders import Loaded, LoadFailure
from embedding_studio.infra.loaders.files import FilesLoader, Opened, RowFields
from embedding_studio.infra.loaders.folder import Folder
from embedding_studio.infra.loaders.patterns import Pattern
from embedding_studio.infra.loaders.records import RECORD_LIMIT
from embedding_studio.kernel.errors import InvalidError, NotFoundError, TooLargeError
from unit.infra.loaders.reading import assert_resumable, outline, read_all

pytestmark = pytest.mark.anyio

PNG = b"\x89PNG\r\n\x1a\n"


def loader(root: Path, glob: str = "**", fields: RowFields | None = None, **options: str) -> FilesLoader:
    return FilesLoader(Folder(root, Pattern(glob), **options), fields or RowFields())


async def test_every_format_gives_items(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"id": 1, "name": "Sofa"}\n')
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress(b'{"id": "2"}'))
    (tmp_path / "c.csv").write_text('id,name\n3,"a ""b"",\nc"\n')
    pq.write_table(pa.table({"id": [4], "price": [1.5]}), tmp_path / "d.parquet")
    (tmp_path / "e").mkdir()
    (tmp_path / "e" / "page.html").write_text("<p>\N{LATIN SMALL LETTER E WITH ACUTE}</p>")
    (tmp_path / "e" / "sofa.png").write_bytes(PNG)
    (tmp_path / "f.txt").write_text("words")
    (tmp_path / "g.json").write_text('[{"id": 5}, {"id": 6}]')

    records = await assert_resumable(loader(tmp_path))

    assert outline(records) == [
        ("1", {"name": "Sofa"}),
        ("2", {}),
        ("3", {"name": 'a "b",\nc'}),
        ("4", {"price": 1.5}),
        ("e/page.html", {"path": "e/page.html", "html": "<p>\N{LATIN SMALL LETTER E WITH ACUTE}</p>"}),
        ("e/sofa.png", {"path": "e/sofa.png"}),
        ("f.txt", {"path": "f.txt", "text": "words"}),
        ("5", {}),
        ("6", {}),
    ]


async def test_what_cannot_be_read_is_told_and_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(
        b'{"id": 1}\nno\n[1]\n{"id": null}\n{"id": true}\n{"id": "\\u0007"}\n{"id": "' + b"x" * 513 + b'"}\n'
        b'{"id": "nul", "text": "\\u0000"}\n{"id": "big", "n": 99999999999999999999}\n\xff\n'
        + b"[" * 99999
        + b'\n{"id": 2}'
    )
    (tmp_path / "b.xyz").write_text("?")
    (tmp_path / "c.parquet").write_text("no parquet")
    (tmp_path / "d.txt").write_bytes(b"\xff")
    (tmp_path / "e.jsonl.gz").write_bytes(gzip.compress(b'{"id": 3}\n' * 9)[:-9])
    (tmp_path / "f.json").write_text("{")
    (tmp_path / "g.jsonl").write_text('{"id": 4}')

    records = await assert_resumable(loader(tmp_path))

    failed = [one.id for one in records if isinstance(one, LoadFailure)]
    assert failed == [
        *(f"a.jsonl:{line}" for line in range(2, 12)),
        *("b.xyz", "c.parquet", "d.txt", "e.jsonl.gz", "f.json"),
    ]
    assert {one.id for one in records if isinstance(one, Loaded)} == {"1", "2", "3", "4"}


async def test_a_row_names_its_id_and_payload(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"sku": "x", "body": {"id": 1}}\n{"sku": "y", "body": 1}\n')

    records = await read_all(loader(tmp_path, fields=RowFields("sku", "body")))

    assert outline(records) == [("x", {"id": 1}), ("a.jsonl:2", "body: must be an object")]


async def test_a_record_over_the_limit_is_a_failure(tmp_path: Path) -> None:
    line = json.dumps({"id": "long", "text": "x" * RECORD_LIMIT})
    (tmp_path / "a.jsonl").write_text(f'{{"id": 1}}\n{line}\n{{"id": 2}}\n')
    (tmp_path / "b.csv").write_text('id,text\n3,x\n4,"' + ("x" * 1023 + "\n") * (RECORD_LIMIT >> 10) + '"\n')
    (tmp_path / "c.txt").write_text("x" * (RECORD_LIMIT + 1))
    with (tmp_path / "d.png").open("wb") as file:
        file.truncate(RECORD_LIMIT + 1)

    records = await read_all(loader(tmp_path))

    assert await read_all(loader(tmp_path), records[1].cursor) == records[2:]
    assert [one.id for one in records] == ["1", "a.jsonl:2", "2", "3", "b.csv:3", "c.txt", "d.png"]
    assert all(str(RECORD_LIMIT) in one.reason for one in records if isinstance(one, LoadFailure))


def _jsonl(rows: int) -> bytes:
    return b"".join(b'{"id": %d, "text": "%s"}\n' % (row, b"x" * 1000) for row in range(rows))


def _csv(rows: int) -> bytes:
    return b"id,text\n" + b"".join(b'%d,"%s"\n' % (row, b"x" * 1000) for row in range(rows))


def _parquet(rows: int) -> bytes:
    table = pa.table({"id": range(rows), "text": [f"{row:01000d}" for row in range(rows)]})
    pq.write_table(table, sink := pa.BufferOutputStream(), row_group_size=10_000, data_page_size=1 << 16)
    content: bytes = sink.getvalue().to_pybytes()
    return content


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("a.jsonl", _jsonl),
        ("a.jsonl.gz", lambda rows: gzip.compress(_jsonl(rows), 1)),
        ("a.csv", _csv),
        ("a.parquet", _parquet),
    ],
)
async def test_memory_stays_flat_however_long_the_file(tmp_path: Path, name: str, make: Callable[[int], bytes]) -> None:
    rows = 50_000
    (tmp_path / name).write_bytes(make(rows))
    read = 0
    arrow = pa.total_allocated_bytes()
    arrow_peak = 0

    tracemalloc.start()
    async for record in loader(tmp_path).read(None):
        assert isinstance(record, Loaded)
        read += 1
        if read % 100 == 0:
            arrow_peak = max(arrow_peak, pa.total_allocated_bytes() - arrow)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert read == rows
    assert peak + arrow_peak < 20_000_000


_CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
_ROWS = st.lists(st.tuples(st.integers(0, 99), _CELLS), max_size=12)
_NOISE = st.lists(st.binary(max_size=40), max_size=6).map(b"\n".join)


@settings(max_examples=30)
@given(jsonl=_ROWS, noise=_NOISE, table=_ROWS, groups=st.integers(1, 5))
async def test_a_read_that_is_cut_anywhere_goes_on_with_exactly_the_rest(
    tmp_path_factory: pytest.TempPathFactory, jsonl: list[tuple[int, str]], noise: bytes, table: Any, groups: int
) -> None:
    root = tmp_path_factory.mktemp("files")
    lines = "\r\n".join(json.dumps({"id": name, "text": text}) for name, text in jsonl)
    (root / "a.jsonl").write_bytes(lines.encode() + b"\n" + noise)
    (root / "a.jsonl.gz").write_bytes(gzip.compress(noise + lines.encode()))
    quoted = "".join('{},"{}"\n'.format(name, text.replace('"', '""')) for name, text in jsonl)
    (root / "b.csv").write_bytes(b"id,text\n" + quoted.encode() + noise)
    columns = {"id": [name for name, _ in table], "text": [text for _, text in table]}
    pq.write_table(pa.table(columns), root / "c.parquet", row_group_size=groups)

    records = await assert_resumable(loader(root))

    loaded = [(one.id, one.payload) for one in records if isinstance(one, Loaded)]
    first, last = ([(str(name), {"text": text}) for name, text in rows] for rows in (jsonl, table))
    assert loaded[: len(first)] == first
    assert loaded[len(loaded) - len(last) :] == last


async def test_a_file_that_was_replaced_is_read_again(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"id": 1}\n{"id": 2}\n')
    (tmp_path / "b.jsonl").write_text('{"id": 9}\n')
    first, *_ = await read_all(loader(tmp_path))
    (tmp_path / "a.jsonl").write_text('{"id": 30}\n{"id": 40}\n{"id": 50}\n')

    assert [one.id for one in await read_all(loader(tmp_path), first.cursor)] == ["30", "40", "50", "9"]


async def test_a_file_that_was_deleted_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"id": 1}\n{"id": 2}\n')
    (tmp_path / "b.jsonl").write_text('{"id": 9}\n')
    first, *_ = await read_all(loader(tmp_path))
    (tmp_path / "a.jsonl").unlink()

    assert [one.id for one in await read_all(loader(tmp_path), first.cursor)] == ["9"]


async def test_prefix_and_glob_choose_files(tmp_path: Path) -> None:
    for name in ("a/x.txt", "a/b/y.txt", "a/z.md", "w.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("words")

    assert [one.id for one in await read_all(loader(tmp_path, "**/*.txt"))] == ["a/b/y.txt", "a/x.txt", "w.txt"]
    assert [one.id for one in await read_all(loader(tmp_path, "**", prefix="a/"))] == ["a/b/y.txt", "a/x.txt", "a/z.md"]


async def test_nothing_outside_the_folder_is_read(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "secret.txt").write_text("secret")
    (root / "link.txt").symlink_to(tmp_path / "secret.txt")
    (root / "up").symlink_to(tmp_path)
    os.mkfifo(root / "pipe.txt")

    assert await read_all(loader(root, prefix="../")) == []
    records = await read_all(loader(root))

    assert [(type(one), one.id) for one in records] == [
        (LoadFailure, "link.txt"),
        (LoadFailure, "pipe.txt"),
        (LoadFailure, "up"),
    ]


@pytest.mark.parametrize(
    "source",
    [
        *(
            {"path": path}
            for path in ("../secret.txt", "/etc/passwd", "link.txt", "a/../a.txt", "./a.txt", "a.txt\0", "")
        ),
        {"path": 1},
        {},
        {"path": "a.txt", "mode": "w"},
        {"path": "b.md"},
    ],
)
async def test_fetch_refuses_what_reading_would_not_reach(tmp_path: Path, source: dict[str, Any]) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "secret.txt").write_text("secret")
    (root / "link.txt").symlink_to(tmp_path / "secret.txt")
    (root / "a.txt").write_text("a")
    (root / "b.md").write_text("b")

    with pytest.raises(InvalidError) as refusal:
        await loader(root, "**/*.txt").fetch(source)

    assert refusal.value.errors[0].field.startswith("source.")


async def test_fetch_gives_the_bytes(tmp_path: Path) -> None:
    (tmp_path / "sofa.png").write_bytes(PNG)
    with (tmp_path / "large.png").open("wb") as file:
        file.truncate(RECORD_LIMIT + 1)
    reader = loader(tmp_path)
    sofa = (await read_all(reader))[-1]

    assert isinstance(sofa, Loaded)
    assert sofa.source == {"path": "sofa.png"}
    assert await reader.fetch(sofa.source) == PNG
    with pytest.raises(NotFoundError):
        await reader.fetch({"path": "none.png"})
    with pytest.raises(TooLargeError):
        await reader.fetch({"path": "large.png"})


async def test_who_stops_waiting_for_a_file_leaves_none_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.jsonl").write_text('{"id": 1}')
    opened: list[Opened] = []
    begun, go_on = threading.Event(), threading.Event()
    really_open = Folder._open

    def slowly(folder: Folder, path: str) -> Opened:
        opened.append(really_open(folder, path))
        begun.set()
        assert go_on.wait(60)
        return opened[-1]

    monkeypatch.setattr(Folder, "_open", slowly)
    reading = asyncio.create_task(read_all(loader(tmp_path)))
    await asyncio.to_thread(begun.wait, 60)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    go_on.set()
    async with asyncio.timeout(60):
        while not opened[0].reading.file.closed:  # noqa: ASYNC110  # a thread has it
            await asyncio.sleep(0.01)


async def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="nowhere"):
        await read_all(loader(tmp_path / "nowhere"))


@pytest.mark.parametrize("cursor", [{}, {"path": 1}, {"path": "a", "what": 1}, {"path": "a", "row": "x"}])
async def test_a_strange_cursor_is_refused(tmp_path: Path, cursor: dict[str, Any]) -> None:
    with pytest.raises(InvalidError, match="cursor"):
        await read_all(loader(tmp_path), cursor)


async def test_a_name_that_is_no_utf8_is_told(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"caf\xe9.txt")).write_text("words")

    (record,) = await assert_resumable(loader(tmp_path))

    assert isinstance(record, LoadFailure)
    assert record.id == r"caf\xe9.txt"
