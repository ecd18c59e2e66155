"""A backup is whole, or it is none."""

from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from embedding_studio.backup.manifest import BackedUp, Manifest, check_files, checksum, read_manifest, write_manifest
from embedding_studio.kernel.errors import InvalidError, NotFoundError

NOW = datetime(2026, 1, 31, tzinfo=UTC)


def made(folder: Path, **fields: object) -> Manifest:
    (folder / "postgres.dump").write_bytes(b"dump")
    (folder / "mongo").mkdir()
    (folder / "mongo" / "tasks.bson.gz").write_bytes(b"tasks")
    manifest = Manifest(
        format=1,
        began=NOW,
        ended=NOW,
        release="0.1.0",
        revision="0007",
        server=18,
        postgres=backed_up(folder, "postgres.dump"),
        documents=[backed_up(folder, "mongo/tasks.bson.gz")],
        objects=[],
    )
    return msgspec.structs.replace(manifest, **fields)


def backed_up(folder: Path, path: str) -> BackedUp:
    return BackedUp(name=path, path=path, size=(folder / path).stat().st_size, sha256=checksum(folder / path))


def test_what_was_written_is_read(tmp_path: Path) -> None:
    manifest = made(tmp_path)
    write_manifest(tmp_path, manifest)
    assert read_manifest(tmp_path) == manifest
    assert len(list(check_files(tmp_path, manifest))) == 2
    assert manifest.size == len(b"dumptasks")


def test_half_a_backup_is_none(tmp_path: Path) -> None:
    made(tmp_path)
    with pytest.raises(NotFoundError, match="cut off"):
        read_manifest(tmp_path)
    with pytest.raises(NotFoundError):
        read_manifest(tmp_path / "postgres.dump")


@pytest.mark.parametrize("change", [b"dumq", b"dum", None])
def test_a_file_that_differs_is_named(tmp_path: Path, change: bytes | None) -> None:
    manifest = made(tmp_path)
    path = tmp_path / "postgres.dump"
    path.write_bytes(change) if change else path.unlink()
    with pytest.raises(InvalidError, match=r"postgres\.dump"):
        list(check_files(tmp_path, manifest))


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b'{"format": 1}'])
def test_a_manifest_that_is_none_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "manifest.json").write_bytes(data)
    with pytest.raises(InvalidError, match="damaged"):
        read_manifest(tmp_path)


def test_another_format_is_refused(tmp_path: Path) -> None:
    write_manifest(tmp_path, made(tmp_path, format=2))
    with pytest.raises(InvalidError, match="format 2"):
        read_manifest(tmp_path)


@pytest.mark.parametrize("path", ["../secret", "/etc/passwd", "mongo/../../secret"])
def test_files_outside_of_the_backup_are_refused(tmp_path: Path, path: str) -> None:
    outside = BackedUp(name="x", path=path, size=1, sha256="")
    write_manifest(tmp_path, made(tmp_path, objects=[outside]))
    with pytest.raises(InvalidError, match="not in the backup"):
        read_manifest(tmp_path)
