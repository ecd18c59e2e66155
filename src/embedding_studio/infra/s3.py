"""Objects in a bucket of S3, MinIO and what speaks their language: hashed when stored, checked when read."""

import asyncio
import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import IO, TypeVar

import urllib3
from minio import Minio
from minio.deleteobjects import DeleteObject
from minio.error import InvalidResponseError, S3Error, ServerError
from urllib3.exceptions import HTTPError

from embedding_studio.infra.loaders.retries import OutageError, Retries, outage
from embedding_studio.infra.loaders.statuses import error_of
from embedding_studio.infra.objects import ObjectSettings, required_key
from embedding_studio.kernel.errors import NotFoundError, UnavailableError
from embedding_studio.kernel.ids import new_id

__all__ = ["S3Objects", "open_bucket"]

T = TypeVar("T")

_BLOCK = 1 << 20
_HASH = "sha256"
_HASH_HEADER = f"x-amz-meta-{_HASH}"
_CONNECT_S = 5.0


class S3Objects:
    """`Objects` of a bucket, asked from threads of their own; each request is safe to repeat, and is repeated."""

    is_shared = True

    def __init__(self, client: Minio, settings: ObjectSettings) -> None:
        self._client = client
        self._bucket = settings.bucket
        self._deadline = settings.deadline
        self._retries = Retries(attempts=4, first=0.2, most=5.0, deadline=settings.deadline)
        self._threads = ThreadPoolExecutor(settings.connections, "objects")
        self._closing = threading.Event()

    async def put(self, key: str, data: bytes) -> None:
        """As `Objects` has it."""
        await self._run(self._put, required_key(key), partial(BytesIO, data), len(data))

    async def put_file(self, key: str, path: Path) -> None:
        """As `Objects` has it."""
        size = (await asyncio.to_thread(path.stat)).st_size
        await self._run(self._put, required_key(key), partial(path.open, "rb"), size)

    async def get(self, key: str) -> bytes:
        """As `Objects` has it."""
        return await self._run(self._get, required_key(key))

    async def get_file(self, key: str, path: Path) -> None:
        """As `Objects` has it."""
        await self._run(self._get_file, required_key(key), path)

    async def keys(self, prefix: str) -> list[str]:
        """As `Objects` has it."""
        return await self._run(self._keys, required_key(prefix))

    async def delete_folder(self, prefix: str) -> None:
        """As `Objects` has it."""
        await self._run(self._delete, required_key(prefix))

    def close(self) -> None:
        """End what is under way at its next bytes."""
        self._closing.set()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _run(self, work: Callable[..., T], *arguments: object) -> T:
        until = time.monotonic() + self._deadline
        attempt = partial(self._attempt, work, *arguments, until)
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._retries.call, attempt)

    def _attempt(self, work: Callable[..., T], *arguments: object) -> T:
        try:
            return work(*arguments)
        except S3Error as error:
            if error.code == "NoSuchBucket":
                raise UnavailableError(f"there is no bucket {self._bucket}") from error
            retry_after = error.response.headers.get("Retry-After")
            raise error_of(
                f"the bucket {self._bucket}", error.response.status, retry_after, error.code or ""
            ) from error
        except (HTTPError, InvalidResponseError, ServerError, ConnectionError) as error:
            raise outage(f"the bucket {self._bucket} does not answer ({type(error).__name__})") from error

    def _put(self, key: str, open_: Callable[[], IO[bytes]], size: int, until: float) -> None:
        with open_() as file:
            digest = hashlib.file_digest(file, _HASH).hexdigest()  # type: ignore[arg-type]  # a file is one
            file.seek(0)
            watched = _Watched(file, partial(self._check, until))
            self._client.put_object(self._bucket, key, watched, size, metadata={_HASH: digest})  # type: ignore[arg-type]  # is only read

    def _get(self, key: str, until: float) -> bytes:
        buffer = BytesIO()
        self._read(key, buffer, until)
        return buffer.getvalue()

    def _get_file(self, key: str, path: Path, until: float) -> None:
        temporary = path.with_name(f".{path.name}.{new_id()}")
        try:
            with temporary.open("wb") as file:
                self._read(key, file, until)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)

    def _read(self, key: str, target: IO[bytes], until: float) -> None:
        try:
            response = self._client.get_object(self._bucket, key)
        except S3Error as error:
            if error.code == "NoSuchKey":
                raise NotFoundError(f"no object {key!r}") from None
            raise
        found = hashlib.sha256()
        with closing(response):
            for block in response.stream(_BLOCK):
                self._check(until)
                found.update(block)
                target.write(block)
            stored = response.headers.get(_HASH_HEADER, found.hexdigest())
        if stored != found.hexdigest():
            raise OutageError(f"the object {key} came otherwise than it was stored")

    def _keys(self, prefix: str, _until: float) -> list[str]:
        found = self._client.list_objects(self._bucket, prefix=f"{prefix}/", recursive=True)
        return sorted(one.object_name for one in found if one.object_name)

    def _delete(self, prefix: str, until: float) -> None:
        named = [DeleteObject(key) for key in self._keys(prefix, until)]
        for error in self._client.remove_objects(self._bucket, named):
            raise OutageError(f"the bucket {self._bucket} keeps what is to be deleted ({error.code})")

    def _check(self, until: float) -> None:
        if self._closing.is_set() or time.monotonic() > until:
            raise UnavailableError(f"the bucket {self._bucket} was too slow")


class _Watched:
    """A file that stops being read when time is over."""

    def __init__(self, file: IO[bytes], check: Callable[[], None]) -> None:
        self._file = file
        self._check = check

    def read(self, size: int = -1) -> bytes:
        self._check()
        return self._file.read(size)


@contextmanager
def open_bucket(settings: ObjectSettings) -> Iterator[S3Objects]:
    """Yield the objects of the bucket that the settings name; nothing is asked of it before they are."""
    pool = urllib3.PoolManager(
        timeout=urllib3.Timeout(_CONNECT_S, settings.timeout),
        retries=False,
        maxsize=settings.connections,
        cert_reqs="CERT_REQUIRED",
        ca_certs=str(settings.ca_file) if settings.ca_file else None,
    )
    client = Minio(
        settings.endpoint,
        access_key=settings.access_key.get_secret_value() if settings.access_key else None,
        secret_key=settings.secret_key.get_secret_value() if settings.secret_key else None,
        secure=settings.secure,
        region=settings.region,
        http_client=pool,
    )
    objects = S3Objects(client, settings)
    try:
        yield objects
    finally:
        objects.close()
        pool.clear()
