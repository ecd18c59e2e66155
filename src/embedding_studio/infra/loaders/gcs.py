"""Buckets of Google Cloud Storage."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any

from embedding_studio.infra.loaders.extra import loaders_extra
from embedding_studio.infra.loaders.files import StoredFile
from embedding_studio.infra.loaders.objects import PAGE
from embedding_studio.infra.loaders.retries import outage
from embedding_studio.infra.loaders.sources import from_environment
from embedding_studio.infra.loaders.statuses import error_of
from embedding_studio.kernel.errors import ForbiddenError

__all__ = ["GcsBucket"]

_TIMEOUT_S = (5.0, 30.0)
_SCOPES = ("https://www.googleapis.com/auth/devstorage.read_only",)


@dataclass(frozen=True)
class GcsBucket:
    """A `Bucket` over `google-cloud-storage`; see `sdk.loading.GcsLoader` for the attributes."""

    name: str
    endpoint: str | None
    credentials_env: str | None

    @cached_property
    def _client(self) -> Any:
        with loaders_extra():
            from google.cloud import storage  # noqa: PLC0415  # of the extra `loaders`
        options = {"api_endpoint": self.endpoint} if self.endpoint else None
        return storage.Client(project=None, credentials=self._credentials(), client_options=options)

    def _credentials(self) -> Any:
        from google.auth.credentials import AnonymousCredentials  # noqa: PLC0415  # of the extra `loaders`
        from google.auth.exceptions import GoogleAuthError  # noqa: PLC0415  # of the extra `loaders`
        from google.oauth2 import service_account  # noqa: PLC0415  # of the extra `loaders`

        if self.credentials_env is None:
            return AnonymousCredentials()
        path = from_environment(self.credentials_env)
        try:
            return service_account.Credentials.from_service_account_file(path, scopes=_SCOPES)
        except (GoogleAuthError, OSError, ValueError):  # their texts may hold the key
            raise ForbiddenError(f"the file that {self.credentials_env} names holds no usable credentials") from None

    def page(self, prefix: str, after: str | None) -> list[StoredFile]:
        """Objects behind a key, in one request."""
        with self._errors():
            found = self._client.list_blobs(
                self.name, prefix=prefix, start_offset=after, page_size=PAGE, timeout=_TIMEOUT_S, retry=None
            )
            # `start_offset` includes the key itself, and not every server heeds it.
            behind = (blob for blob in found if after is None or blob.name > after)
            return [_stored(blob) for blob in islice(behind, PAGE)]

    def head(self, key: str) -> StoredFile:
        """An object's generation and size."""
        with self._errors():
            blob = self._client.bucket(self.name).blob(key)
            blob.reload(timeout=_TIMEOUT_S, retry=None)
            return _stored(blob)

    def read(self, file: StoredFile, start: int, length: int) -> bytes:
        """Bytes of this generation of the object."""
        with self._errors():
            data: bytes = (
                self._client.bucket(self.name)
                .blob(file.path, generation=int(file.version))
                .download_as_bytes(
                    start=start,
                    end=start + length - 1,
                    raw_download=True,
                    timeout=_TIMEOUT_S,
                    checksum=None,
                    retry=None,
                )
            )
            return data

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """The client's errors as ours; without an endpoint or a token in them."""
        from google.api_core.exceptions import GoogleAPICallError  # noqa: PLC0415  # of the extra `loaders`
        from google.auth.exceptions import GoogleAuthError  # noqa: PLC0415  # of the extra `loaders`
        from requests import RequestException  # noqa: PLC0415  # of the extra `loaders`

        try:
            yield
        except GoogleAPICallError as error:
            retry_after = error.response.headers.get("Retry-After") if error.response is not None else None
            raise error_of(f"the bucket {self.name}", int(error.code or 0), retry_after) from error
        except GoogleAuthError as error:
            raise outage(f"no access to the bucket {self.name} was got ({type(error).__name__})") from error
        except (RequestException, OSError) as error:
            raise outage(f"the bucket {self.name} does not answer ({type(error).__name__})") from error


def _stored(blob: Any) -> StoredFile:
    return StoredFile(blob.name, str(blob.generation), blob.size or 0)
