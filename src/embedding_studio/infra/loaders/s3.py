"""Buckets of Amazon S3, MinIO and what speaks their language."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING

from embedding_studio.infra.loaders.extra import loaders_extra
from embedding_studio.infra.loaders.files import StoredFile
from embedding_studio.infra.loaders.objects import PAGE
from embedding_studio.infra.loaders.retries import outage
from embedding_studio.infra.loaders.sources import from_environment
from embedding_studio.infra.loaders.statuses import error_of

if TYPE_CHECKING:
    from minio import Minio

__all__ = ["S3Bucket"]

_CONNECT_S, _READ_S = 5.0, 30.0


@dataclass(frozen=True)
class S3Bucket:
    """A `Bucket` over the `minio` client; see `sdk.loading.S3Loader` for the attributes."""

    name: str
    endpoint: str
    secure: bool
    region: str
    key_env: str | None
    secret_env: str | None
    token_env: str | None

    @cached_property
    def _client(self) -> "Minio":
        with loaders_extra():
            import urllib3  # noqa: PLC0415  # of the extra `loaders`
            from minio import Minio  # noqa: PLC0415  # of the extra `loaders`
        return Minio(
            self.endpoint,
            access_key=from_environment(self.key_env) if self.key_env else None,
            secret_key=from_environment(self.secret_env) if self.secret_env else None,
            session_token=from_environment(self.token_env) if self.token_env else None,
            secure=self.secure,
            region=self.region,
            http_client=urllib3.PoolManager(timeout=urllib3.Timeout(_CONNECT_S, _READ_S), retries=False),
        )

    def page(self, prefix: str, after: str | None) -> list[StoredFile]:
        """Objects behind a key, in one request."""
        with self._errors():
            found = self._client.list_objects(self.name, prefix=prefix or None, recursive=True, start_after=after)
            return [StoredFile(one.object_name or "", one.etag or "", one.size or 0) for one in islice(found, PAGE)]

    def head(self, key: str) -> StoredFile:
        """An object's ETag and size."""
        with self._errors():
            found = self._client.stat_object(self.name, key)
            return StoredFile(key, found.etag or "", found.size or 0)

    def read(self, file: StoredFile, start: int, length: int) -> bytes:
        """Bytes of the object while its ETag is the listed one."""
        headers: dict[str, str | list[str] | tuple[str]] = {"If-Match": f'"{file.version}"'}
        with self._errors():
            response = self._client.get_object(self.name, file.path, start, length, headers)
            with closing(response):
                return response.read()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """The client's errors as ours; without an endpoint or a key in them."""
        from minio.error import InvalidResponseError, S3Error, ServerError  # noqa: PLC0415  # of the extra `loaders`
        from urllib3.exceptions import HTTPError  # noqa: PLC0415  # of the extra `loaders`

        try:
            yield
        except S3Error as error:
            retry_after = error.response.headers.get("Retry-After")
            raise error_of(f"the bucket {self.name}", error.response.status, retry_after, error.code or "") from error
        except (HTTPError, InvalidResponseError, ServerError, OSError) as error:
            raise outage(f"the bucket {self.name} does not answer ({type(error).__name__})") from error
