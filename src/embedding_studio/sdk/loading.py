"""Parts that read items from where they live.

`build(options)` takes the options of an ingest request. They narrow down what the plugin's author has declared, and
never widen it; a wrong one is an InvalidError that names it.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from embedding_studio.infra.loaders import Cursor, Loaded, Loader, LoadFailure
from embedding_studio.infra.loaders.files import FilesLoader, RowFields
from embedding_studio.infra.loaders.folder import Folder
from embedding_studio.infra.loaders.gcs import GcsBucket
from embedding_studio.infra.loaders.guard import ANY_HOST, Guard
from embedding_studio.infra.loaders.objects import Bucket, ObjectStore
from embedding_studio.infra.loaders.patterns import Pattern
from embedding_studio.infra.loaders.s3 import S3Bucket
from embedding_studio.infra.loaders.sql import SqlRows, Table
from embedding_studio.infra.loaders.web import WebFiles
from embedding_studio.sdk.options import check_url, only_option, text_option, time_option, urls_option

__all__ = [
    "Cursor",
    "FileLoader",
    "GcsLoader",
    "HttpLoader",
    "LoadFailure",
    "Loaded",
    "Loader",
    "RowFields",
    "S3Loader",
    "SqlLoader",
]

_PAGE_LIMIT = 10_000
_GIB = 1 << 30
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_HOST = re.compile(r"\*|([a-z0-9_.-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?")


@dataclass(frozen=True, slots=True)
class FileLoader:
    """Files of a folder: JSONL, JSON, CSV (each also with `.gz`), Parquet, text, HTML and images, by extension.

    Options: `prefix`, the beginning of the paths to read, relative to `root`.

    Attributes:
        root: The folder; nothing outside it is ever read.
        glob: Paths below it: `*` stays within a name, `**` spans folders.
        fields: Where rows keep id and payload.
        encoding: Of CSV, text and HTML.
    """

    root: Path | str
    glob: str = "**"
    fields: RowFields = field(default_factory=RowFields)
    encoding: str = "utf-8"

    def __post_init__(self) -> None:
        """Refuse an unknown encoding."""
        "".encode(self.encoding)

    def build(self, options: Mapping[str, Any]) -> Loader:
        """A reader of the folder."""
        prefix = text_option(only_option(options, "prefix"), "prefix")
        return FilesLoader(Folder(Path(self.root), Pattern(self.glob), prefix, self.encoding), self.fields)


@dataclass(frozen=True, slots=True)
class S3Loader:
    """Objects of an S3 bucket, in the formats of `FileLoader`.

    Options: `prefix`, which continues the part's own.

    Attributes:
        bucket: Its name.
        prefix: Beginning of the keys, empty or ending in `/`; nothing else is ever read.
        glob: Keys below the prefix.
        endpoint: Host and port.
        secure: Whether to speak TLS.
        region: The bucket's.
        key_env: Variable with the access key; None reads without credentials.
        secret_env: Variable with the secret key.
        token_env: Variable with the session token, for temporary credentials.
        fields: Where rows keep id and payload.
        encoding: Of CSV, text and HTML.
    """

    bucket: str
    prefix: str = ""
    glob: str = "**"
    endpoint: str = "s3.amazonaws.com"
    secure: bool = True
    region: str = "us-east-1"
    key_env: str | None = "AWS_ACCESS_KEY_ID"
    secret_env: str | None = "AWS_SECRET_ACCESS_KEY"  # noqa: S105  # a variable's name
    token_env: str | None = None
    fields: RowFields = field(default_factory=RowFields)
    encoding: str = "utf-8"

    def __post_init__(self) -> None:
        """Refuse half a pair of credentials, and what is no bucket, prefix or variable."""
        _check_bucket(self.bucket, self.prefix, self.encoding)
        _check_variables(self.key_env, self.secret_env, self.token_env)
        if (self.key_env is None) != (self.secret_env is None):
            raise ValueError("key_env and secret_env are given together or not at all")

    def build(self, options: Mapping[str, Any]) -> Loader:
        """A reader of the bucket; connects when it is first read."""
        bucket = S3Bucket(
            self.bucket, self.endpoint, self.secure, self.region, self.key_env, self.secret_env, self.token_env
        )
        return _bucket_loader(self, bucket, options)


@dataclass(frozen=True, slots=True)
class GcsLoader:
    """Objects of a Google Cloud Storage bucket, in the formats of `FileLoader`.

    Options: `prefix`, which continues the part's own.

    Attributes:
        bucket: Its name.
        prefix: Beginning of the keys, empty or ending in `/`; nothing else is ever read.
        glob: Keys below the prefix.
        endpoint: URL of another server that speaks the JSON API.
        credentials_env: Variable with the path of a service account's key file; None reads without credentials.
        fields: Where rows keep id and payload.
        encoding: Of CSV, text and HTML.
    """

    bucket: str
    prefix: str = ""
    glob: str = "**"
    endpoint: str | None = None
    credentials_env: str | None = "GOOGLE_APPLICATION_CREDENTIALS"
    fields: RowFields = field(default_factory=RowFields)
    encoding: str = "utf-8"

    def __post_init__(self) -> None:
        """Refuse what is no bucket, prefix or variable."""
        _check_bucket(self.bucket, self.prefix, self.encoding)
        _check_variables(self.credentials_env)

    def build(self, options: Mapping[str, Any]) -> Loader:
        """A reader of the bucket; connects when it is first read."""
        return _bucket_loader(self, GcsBucket(self.bucket, self.endpoint, self.credentials_env), options)


@dataclass(frozen=True, slots=True)
class SqlLoader:
    """Rows of a table or a view in PostgreSQL, MySQL or MariaDB; the key is the item's id, the rest its payload.

    Options: `since`, an RFC 3339 time, where `changed` is declared: rows that changed then or later.
    What JSON lacks is converted by `infra.loaders.values.to_json`.

    Attributes:
        url_env: Variable with the URL, such as `postgresql://user:password@host/database`.
        table: Its name.
        key: A column that is unique and never null, best the primary key.
        columns: What the payload holds; empty for all columns.
        schema: Where the table is, if it is not in the user's default one.
        changed: The column with the time of a row's last change.
        json_columns: Columns with JSON, read as such instead of as strings.
        page: Rows that are held at a time, 1 to 10,000.
    """

    url_env: str
    table: str
    key: str = "id"
    columns: Sequence[str] = ()
    schema: str | None = None
    changed: str | None = None
    json_columns: Sequence[str] = ()
    page: int = 500

    def __post_init__(self) -> None:
        """Refuse single strings for lists, and pages out of range."""
        _check_variables(self.url_env)
        if isinstance(self.columns, str) or isinstance(self.json_columns, str):
            raise TypeError("columns and json_columns must be sequences of names, not one string")
        if not all((self.table, self.key, *self.columns)):
            raise ValueError("tables and columns have names")
        if not 1 <= self.page <= _PAGE_LIMIT:
            raise ValueError(f"page must lie in 1 to {_PAGE_LIMIT}, not {self.page}")

    def build(self, options: Mapping[str, Any]) -> Loader:
        """A reader of the table; connects when it is first read."""
        since = only_option(options, "since") if self.changed else only_option(options)
        table = Table(
            self.table, self.schema, self.key, tuple(self.columns), tuple(self.json_columns), self.changed, self.page
        )
        return SqlRows(self.url_env, table, time_option(since, "since"))


@dataclass(frozen=True, slots=True)
class HttpLoader:
    """Files of the web, in the formats of `FileLoader`, by content type; each is downloaded as a whole.

    Options: `urls`, a list to read instead of the part's own.

    Attributes:
        urls: Read where the request names none.
        hosts: Other hosts whose URLs a request may name and answers may redirect to: `host` for ports 80 and 443,
            `host:port`, or `*` for every host with a public address.
        private: Hosts, spelt likewise, that may have private or loopback addresses.
        token_env: Variable with a bearer token for the hosts that are declared by name.
        limit: Bytes a download may have.
        deadline: Seconds a download may take.
        fields: Where rows keep id and payload.
    """

    urls: Sequence[str] = ()
    hosts: Sequence[str] = ()
    private: Sequence[str] = ()
    token_env: str | None = None
    limit: int = _GIB
    deadline: float = 300.0
    fields: RowFields = field(default_factory=RowFields)

    def __post_init__(self) -> None:
        """Refuse single strings for lists, URLs and hosts that are none, and limits out of range."""
        if any(isinstance(value, str) for value in (self.urls, self.hosts, self.private)):
            raise TypeError("urls, hosts and private must be sequences of names, not one string")
        if wrong := [host for host in (*self.hosts, *self.private) if not _HOST.fullmatch(host)]:
            raise ValueError(f"hosts are spelt `host` or `host:port`, in lower case: {wrong}")
        if ANY_HOST in self.private:
            raise ValueError("private hosts are declared by name")
        _check_variables(self.token_env)
        if self.limit < 1 or self.deadline <= 0:
            raise ValueError("limit and deadline must be positive")
        for url in self.urls:
            check_url(url, self._guard())

    def build(self, options: Mapping[str, Any]) -> Loader:
        """A reader of the URLs."""
        guard = self._guard()
        urls = urls_option(only_option(options, "urls"), guard) or tuple(self.urls)
        return FilesLoader(WebFiles(urls, guard, self.token_env, self.limit, self.deadline), self.fields)

    def _guard(self) -> Guard:
        own = (httpx.URL(url) for url in self.urls)
        named = {f"{url.host}:{url.port}" if url.port else url.host for url in own}
        return Guard(frozenset({*named, *self.hosts, *self.private}), frozenset(self.private))


def _bucket_loader(part: S3Loader | GcsLoader, bucket: Bucket, options: Mapping[str, Any]) -> Loader:
    prefix = part.prefix + text_option(only_option(options, "prefix"), "prefix")
    store = ObjectStore(part.bucket, bucket, Pattern(part.glob, part.prefix), prefix, part.encoding)
    return FilesLoader(store, part.fields)


def _check_bucket(bucket: str, prefix: str, encoding: str) -> None:
    "".encode(encoding)
    if not bucket or "/" in bucket:
        raise ValueError(f"{bucket!r} is no bucket's name")
    if prefix and not prefix.endswith("/"):
        raise ValueError(f"prefix must be empty or end in '/', not {prefix!r}")


def _check_variables(*names: str | None) -> None:
    if wrong := [name for name in names if name is not None and not _VARIABLE.fullmatch(name)]:
        raise ValueError(f"no name of an environment variable: {wrong}")
