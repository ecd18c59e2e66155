"""Files of an object store."""

import asyncio
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from io import SEEK_CUR, SEEK_SET, BufferedReader, RawIOBase
from typing import Any, Protocol

from embedding_studio.infra.loaders.files import Opened, StoredFile
from embedding_studio.infra.loaders.formats import format_of, unpacked
from embedding_studio.infra.loaders.patterns import Pattern
from embedding_studio.infra.loaders.records import RECORD_LIMIT
from embedding_studio.infra.loaders.retries import Retries
from embedding_studio.infra.loaders.rows import Reading, too_large
from embedding_studio.infra.loaders.sources import text_of
from embedding_studio.infra.loaders.threads import in_thread
from embedding_studio.kernel.errors import ConflictError, InvalidError, NotFoundError, TooLargeError, UnavailableError

__all__ = ["PAGE", "Bucket", "ObjectStore"]

PAGE = 1000
"""Objects that one request lists."""

_BLOCK = 1 << 20


class Bucket(Protocol):
    """One bucket; every method is one request and blocks.

    All raise NotFoundError, ForbiddenError, and UnavailableError for what may be tried again.
    """

    def page(self, prefix: str, after: str | None) -> list[StoredFile]:
        """At most `PAGE` objects in the store's order, those behind the key `after`."""
        ...

    def head(self, key: str) -> StoredFile:
        """The object's version and size."""
        ...

    def read(self, file: StoredFile, start: int, length: int) -> bytes:
        """Bytes of this version of the object; ConflictError where it was replaced."""
        ...


@dataclass(frozen=True, slots=True)
class ObjectStore:
    """A `FileStore` of the objects of a bucket.

    Attributes:
        name: The bucket's.
        bucket: How it is reached.
        pattern: Which keys may be read; nothing else is ever asked for.
        prefix: Which of these keys `files` lists.
        encoding: Of text.
        retries: Of every request.
    """

    name: str
    bucket: Bucket
    pattern: Pattern
    prefix: str
    encoding: str = "utf-8"
    retries: Retries = field(default_factory=Retries)

    async def files(self, start: str | None) -> AsyncGenerator[StoredFile]:
        """In the order in which the store lists them."""
        async for file in in_thread(self._list(start), lambda file: len(file.path)):
            if self.pattern.matches(file.path):
                yield file

    async def open(self, file: StoredFile) -> Opened:
        """Open an object; it is read in blocks of 1 MiB."""
        stream = BufferedReader(_ObjectFile(self, file), _BLOCK)
        return Opened(Reading(unpacked(stream, file.path), self.encoding), file.version, format_of(file.path))

    def source(self, path: str) -> dict[str, Any]:
        """Bucket and key."""
        return {"bucket": self.name, "key": path}

    async def fetch(self, source: Mapping[str, Any]) -> bytes:
        """The object's bytes."""
        name, key = text_of(source, "bucket", "key")
        if name != self.name:
            raise InvalidError.at("source.bucket", "is not the bucket of this loader")
        if not self.pattern.matches(key):
            raise InvalidError.at("source.key", "names no object that this loader reads")
        return await asyncio.to_thread(self._fetch, key)

    def _fetch(self, key: str) -> bytes:
        file = self.retries.call(partial(self.bucket.head, key))
        if file.size > RECORD_LIMIT:
            raise TooLargeError(f"{key} {too_large(RECORD_LIMIT)}")
        return self.read(file, 0, file.size) if file.size else b""

    def read(self, file: StoredFile, start: int, length: int) -> bytes:
        """Bytes of the object, tried again; an object that was replaced is unavailable until it is read anew."""
        try:
            return self.retries.call(partial(self.bucket.read, file, start, length))
        except ConflictError as error:
            raise UnavailableError(f"{file.path} was replaced while it was read") from error
        except NotFoundError as error:
            raise UnavailableError(f"{file.path} was deleted while it was read") from error

    def _list(self, start: str | None) -> Generator[StoredFile]:
        if start is not None and self.pattern.matches(start):
            with suppress(NotFoundError):  # it may be deleted since: what lies behind its key is listed all the same
                yield self.retries.call(partial(self.bucket.head, start))
        page = self.retries.call(partial(self.bucket.page, self.prefix, start))
        while page:
            yield from page
            page = self.retries.call(partial(self.bucket.page, self.prefix, page[-1].path))


class _ObjectFile(RawIOBase):
    """An object as a seekable file; every read is one request."""

    def __init__(self, store: ObjectStore, file: StoredFile) -> None:
        self._store = store
        self._file = file
        self._place = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = SEEK_SET) -> int:
        origin = {SEEK_SET: 0, SEEK_CUR: self._place}.get(whence, self._file.size)
        self._place = origin + offset
        return self._place

    def readinto(self, buffer: Any) -> int:
        length = min(len(buffer), self._file.size - self._place)
        if length <= 0:
            return 0
        data = self._store.read(self._file, self._place, length)
        buffer[: len(data)] = data
        self._place += len(data)
        return len(data)
