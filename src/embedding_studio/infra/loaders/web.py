"""Files of the web."""

import asyncio
import hashlib
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, BinaryIO, cast

import httpx

from embedding_studio.infra.loaders.files import Opened, StoredFile
from embedding_studio.infra.loaders.formats import format_of_type, unpacked
from embedding_studio.infra.loaders.guard import Guard, GuardedTransport
from embedding_studio.infra.loaders.records import RECORD_LIMIT
from embedding_studio.infra.loaders.retries import Retries, outage
from embedding_studio.infra.loaders.rows import Reading, too_large
from embedding_studio.infra.loaders.sources import from_environment, text_of
from embedding_studio.infra.loaders.statuses import error_of
from embedding_studio.kernel.errors import InvalidError, TooLargeError

__all__ = ["WebFiles"]

_TIMEOUT = httpx.Timeout(20.0, connect=5.0)
_REDIRECTS = 5
_FOUND = 200
_CHUNK = 1 << 16


@dataclass(frozen=True, slots=True)
class WebFiles:
    """A `FileStore` of URLs; each is downloaded to a temporary file before it is read.

    Attributes:
        urls: In the order in which they are read.
        guard: Which hosts may be asked.
        token_env: Variable with a bearer token, sent to hosts that are declared by name.
        limit: Bytes a download may have.
        deadline: Seconds a download may take.
        retries: Of every download.
    """

    urls: tuple[str, ...]
    guard: Guard
    token_env: str | None
    limit: int
    deadline: float
    retries: Retries = field(default_factory=Retries)

    async def files(self, start: str | None) -> AsyncGenerator[StoredFile]:
        """The URLs as they are given."""
        if start is not None and start not in self.urls:
            raise InvalidError.at("cursor", "is of another list of URLs")
        for url in self.urls[self.urls.index(start) if start else 0 :]:
            yield StoredFile(url)

    async def open(self, file: StoredFile) -> Opened:
        """Download a URL; its format is that of its content type."""
        content = cast("BinaryIO", tempfile.TemporaryFile())  # noqa: SIM115  # whoever reads it closes it
        try:
            response, version = await self._download(file.path, content, self.limit)
        except BaseException:
            content.close()
            raise
        kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        path = httpx.URL(file.path).path
        reading = Reading(unpacked(content, path), response.charset_encoding or "utf-8")
        return Opened(reading, version, format_of_type(kind, path))

    def source(self, path: str) -> dict[str, Any]:
        """The URL."""
        return {"url": path}

    async def fetch(self, source: Mapping[str, Any]) -> bytes:
        """The body of the answer."""
        url = text_of(source, "url")
        with tempfile.TemporaryFile() as content:
            await self._download(url, cast("BinaryIO", content), RECORD_LIMIT)
            content.seek(0)
            return content.read()

    async def _download(self, url: str, content: BinaryIO, limit: int) -> tuple[httpx.Response, str]:
        """Write the body into `content`; returns the answer's head and a hash of the body."""
        try:
            parsed = httpx.URL(url)
        except httpx.InvalidURL as error:
            raise InvalidError.at("url", str(error)) from error
        self.guard.refuse_other_hosts(parsed)
        headers = {"Accept-Encoding": "identity"}
        if self.token_env and self.guard.declares(parsed):
            headers["Authorization"] = f"Bearer {from_environment(self.token_env)}"
        return await self.retries.run(partial(self._try, parsed, headers, content, limit))

    async def _try(
        self, url: httpx.URL, headers: dict[str, str], content: BinaryIO, limit: int
    ) -> tuple[httpx.Response, str]:
        content.seek(0)
        content.truncate()
        async with self._answer(url, headers) as response:
            _refuse(response)
            return response, await _write(response, content, limit)

    @asynccontextmanager
    async def _answer(self, url: httpx.URL, headers: dict[str, str]) -> AsyncIterator[httpx.Response]:
        client = httpx.AsyncClient(
            transport=GuardedTransport(self.guard),
            timeout=_TIMEOUT,
            follow_redirects=True,
            max_redirects=_REDIRECTS,
            trust_env=False,
        )
        try:
            async with asyncio.timeout(self.deadline), client, client.stream("GET", url, headers=headers) as response:
                yield response
        except httpx.TooManyRedirects as error:
            raise InvalidError.at("url", f"redirects more than {_REDIRECTS} times") from error
        except (httpx.TransportError, TimeoutError) as error:
            raise outage(f"{url.host} does not answer ({type(error).__name__})") from error


def _refuse(response: httpx.Response) -> None:
    """Raise what the status means, and refuse a body that is packed although nobody asked for it."""
    if response.status_code != _FOUND:
        raise error_of(response.url.host, response.status_code, response.headers.get("Retry-After"))
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise InvalidError.at("url", "answers with a compressed body")


async def _write(response: httpx.Response, content: BinaryIO, limit: int) -> str:
    digest = hashlib.sha256()
    size = 0
    async for chunk in response.aiter_raw(_CHUNK):
        size += len(chunk)
        if size > limit:
            raise TooLargeError(f"the answer of {response.url.host} {too_large(limit)}")
        digest.update(chunk)
        content.write(chunk)
    return digest.hexdigest()[:32]
