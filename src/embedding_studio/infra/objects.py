"""Objects such as adapters and encoders, kept under a key: in a folder, or in S3 where several machines share them."""

import asyncio
import os
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import IO, Protocol, Self

from pydantic import BaseModel, Field, SecretStr, model_validator

from embedding_studio.kernel.errors import InvalidError, NotFoundError, UnavailableError
from embedding_studio.kernel.ids import new_id

__all__ = ["ObjectFolder", "ObjectSettings", "Objects", "open_objects", "required_key"]

_KEY = re.compile(r"[a-z0-9_-]+(/[a-z0-9_-]+)*(\.[a-z0-9]+)?", re.IGNORECASE)
_BLOCK = 1 << 20


class ObjectSettings(BaseModel):
    """Where objects are kept: in a bucket of S3 where there is an endpoint, else in a folder."""

    folder: Path = Field(default=Path("data/objects"), description="for one machine")
    endpoint: str = Field(default="", description="host:port of an S3 service; empty: objects are in the folder")
    secure: bool = Field(default=True, description="whether the service speaks TLS")
    ca_file: Path | None = Field(default=None, description="of the authority that signed the service's certificate")
    region: str = "us-east-1"
    bucket: str = Field(default="embedding-studio", description="is there already")
    access_key: SecretStr | None = None
    secret_key: SecretStr | None = None
    timeout: float = Field(default=10.0, gt=0, description="seconds without any bytes after which a request has failed")
    deadline: float = Field(default=600.0, gt=0, description="seconds that an object may take, all tries together")
    connections: int = Field(default=4, ge=1, le=64, description="requests of a process at a time")

    @model_validator(mode="after")
    def _has_keys(self) -> Self:
        if self.endpoint and not (self.access_key and self.secret_key):
            raise ValueError("an endpoint needs access_key and secret_key")
        return self


class Objects(Protocol):
    """Objects under keys; a reader sees a whole object or none.

    All raise UnavailableError where the objects cannot be reached now, and may be called again then.

    Attributes:
        is_shared: Whether other machines have the same objects.
    """

    is_shared: bool

    async def put(self, key: str, data: bytes) -> None:
        """Store `data` durably under `key`, replacing what was there at once."""
        ...

    async def put_file(self, key: str, path: Path) -> None:
        """Store a file's bytes as `put` does, however many."""
        ...

    async def get(self, key: str) -> bytes:
        """The object's bytes.

        Raises:
            NotFoundError: No object has this key.
        """
        ...

    async def get_file(self, key: str, path: Path) -> None:
        """Write the object's bytes to a file, which is there once it is whole; its folder is there.

        Raises:
            NotFoundError: No object has this key.
        """
        ...

    async def keys(self, prefix: str) -> list[str]:
        """The keys of all objects under `prefix`, sorted."""
        ...

    async def delete_folder(self, prefix: str) -> None:
        """Delete every object whose key lies under `prefix`; there may be none."""
        ...


class ObjectFolder:
    """`Objects` as files of this machine."""

    is_shared = False

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def put(self, key: str, data: bytes) -> None:
        """As `Objects` has it."""
        await asyncio.to_thread(_write, BytesIO(data), self._path(key))

    async def put_file(self, key: str, path: Path) -> None:
        """As `Objects` has it."""
        await asyncio.to_thread(_copy, path, self._path(key))

    async def get(self, key: str) -> bytes:
        """As `Objects` has it."""
        try:
            return await asyncio.to_thread(self._path(key).read_bytes)
        except FileNotFoundError:
            raise NotFoundError(f"no object {key!r}") from None

    async def get_file(self, key: str, path: Path) -> None:
        """As `Objects` has it."""
        source = self._path(key)
        if not await asyncio.to_thread(source.is_file):
            raise NotFoundError(f"no object {key!r}")
        await asyncio.to_thread(_copy, source, path)

    async def keys(self, prefix: str) -> list[str]:
        """As `Objects` has it."""
        return await asyncio.to_thread(self._keys, self._path(prefix))

    async def delete_folder(self, prefix: str) -> None:
        """As `Objects` has it."""
        folder = self._path(prefix)
        try:
            await asyncio.to_thread(_delete, folder)
        except OSError as error:
            why = error.strerror or error
            raise UnavailableError(f"the objects under {prefix!r} cannot be deleted: {why}") from error

    def _path(self, key: str) -> Path:
        return self._folder / required_key(key)

    def _keys(self, place: Path) -> list[str]:
        return sorted(
            path.relative_to(self._folder).as_posix()
            for path in place.rglob("*")
            if path.is_file() and not path.name.startswith(".")
        )


def required_key(key: str) -> str:
    """The key.

    Raises:
        InvalidError: It is none.
    """
    if not _KEY.fullmatch(key):
        raise InvalidError.at("key", "must be names of letters, digits, '-' and '_', joined by '/'")
    return key


@asynccontextmanager
async def open_objects(settings: ObjectSettings) -> AsyncIterator[Objects]:
    """Yield the objects; nothing is asked of a service before they are.

    Raises:
        UnavailableError: The settings name a service, and the extra `s3` is not installed.
    """
    if not settings.endpoint:
        yield ObjectFolder(settings.folder)
        return
    from embedding_studio.infra.s3 import open_bucket  # noqa: PLC0415  # the client is of the extra `s3`

    with open_bucket(settings) as bucket:
        yield bucket


def _delete(folder: Path) -> None:
    while folder.is_dir():
        with suppress(FileNotFoundError):  # somebody else deletes in it too
            shutil.rmtree(folder)


def _copy(source: Path, path: Path) -> None:
    with source.open("rb") as file:
        _write(file, path)


def _write(source: IO[bytes], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{new_id()}")
    try:
        with temporary.open("wb") as file:
            shutil.copyfileobj(source, file, _BLOCK)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
