"""What a backup holds. It is written last: a folder without it is half a backup."""

import hashlib
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import msgspec

from embedding_studio.kernel.errors import InvalidError, NotFoundError

__all__ = ["FORMAT", "BackedUp", "Manifest", "check_files", "checksum", "read_manifest", "write_manifest"]

FORMAT = 1
_NAME = "manifest.json"


class BackedUp(msgspec.Struct, frozen=True, kw_only=True):
    """A file of the backup.

    Attributes:
        name: What it is of: a MongoDB collection, an object's key, or `postgres`.
        path: Relative to the backup's folder.
        entries: How many documents it holds; of others 1.
    """

    name: str
    path: str
    size: int
    sha256: str
    entries: int = 1


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole backup.

    Attributes:
        began: Everything that was accepted before is in it.
        release: Of the product that made it.
        revision: Of the PostgreSQL schema.
        documents_revision: Of MongoDB's documents; 0 in backups that do not say it.
        server: PostgreSQL's major version, below which it cannot be restored.
    """

    format: int
    began: datetime
    ended: datetime
    release: str
    revision: str
    server: int
    postgres: BackedUp
    documents: list[BackedUp]
    objects: list[BackedUp]
    documents_revision: int = 0

    @property
    def files(self) -> list[BackedUp]:
        """All files."""
        return [self.postgres, *self.documents, *self.objects]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(one.size for one in self.files)


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Make the backup whole."""
    draft = folder / f"{_NAME}.new"
    draft.write_bytes(msgspec.json.format(msgspec.json.encode(manifest)))
    draft.replace(folder / _NAME)


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a backup.

    Raises:
        NotFoundError: There is none: no backup, or one that was cut off.
        InvalidError: It is of another format, or damaged.
    """
    try:
        data = (folder / _NAME).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise NotFoundError(f"{folder} has no {_NAME}: it is no backup, or one that was cut off") from None
    try:
        manifest = msgspec.json.decode(data, type=Manifest)
    except msgspec.MsgspecError as error:
        raise InvalidError(f"{folder / _NAME} is damaged, or of another release: {error}") from None
    if manifest.format != FORMAT:
        raise InvalidError(f"{folder} has format {manifest.format}; this release reads {FORMAT}")
    if any(not _is_inside(folder, one.path) for one in manifest.files):
        raise InvalidError(f"{folder / _NAME} is damaged: it names files that are not in the backup")
    return manifest


def check_files(folder: Path, manifest: Manifest) -> Iterator[BackedUp]:
    """Read every file and yield it once it has shown to be what the manifest says.

    Raises:
        InvalidError: One is missing or differs.
    """
    for one in manifest.files:
        path = folder / one.path
        if not path.is_file() or path.stat().st_size != one.size or checksum(path) != one.sha256:
            raise InvalidError(f"{one.path} of the backup is missing or damaged")
        yield one


def checksum(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_inside(folder: Path, path: str) -> bool:
    return (folder / path).resolve().is_relative_to(folder.resolve())
