"""Parts that read items: what they accept, and what a request may ask of them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from embedding_studio.kernel.errors import InvalidError
from embedding_studio.sdk.loading import FileLoader, GcsLoader, HttpLoader, S3Loader, SqlLoader

FILES = FileLoader("catalog")
S3 = S3Loader("catalog", "in/")
GCS = GcsLoader("catalog", "in/")
SQL = SqlLoader("SHOP_URL", "items", changed="changed")
HTTP = HttpLoader(["https://shop.test/items.jsonl"], hosts=["cdn.test"])


@pytest.mark.parametrize(
    ("part", "options"),
    [
        (FILES, {"prefix": "2024/"}),
        (S3, {"prefix": "a"}),
        (GCS, {}),
        (SQL, {"since": "2024-01-01T00:00:00Z"}),
        (HTTP, {"urls": ["https://cdn.test/a", "https://shop.test/b"]}),
    ],
)
def test_known_options_are_taken(part: Any, options: dict[str, Any]) -> None:
    assert part.build(options)


@pytest.mark.parametrize(
    ("part", "options", "field"),
    [
        *((part, {"what": 1}, "options.what") for part in (FILES, S3, GCS, SQL, HTTP)),
        *((part, {"prefix": prefix}, "options.prefix") for part in (FILES, S3) for prefix in (1, "x" * 1025, "\0")),
        *((SQL, {"since": since}, "options.since") for since in (1, "yesterday", "2024-01-01T00:00:00")),
        (SqlLoader("SHOP_URL", "items"), {"since": "2024-01-01T00:00:00Z"}, "options.since"),
        *((HTTP, {"urls": urls}, "options.urls") for urls in ([], "https://shop.test/", ["https://cdn.test/"] * 2)),
        *(
            (HTTP, {"urls": [url]}, "options.urls[0]")
            for url in (
                1,
                "https://other.test/",
                "http://cdn.test:99/",
                "file:///x",
                "http://a:b@cdn.test/",
                "http://[",
            )
        ),
    ],
)
def test_other_options_are_refused_by_name(part: Any, options: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidError) as refusal:
        part.build(options)

    assert refusal.value.errors[0].field == field


@pytest.mark.parametrize(
    "make",
    [
        lambda: FileLoader(Path(), encoding="klingon"),
        lambda: S3Loader("a/b"),
        lambda: S3Loader("a", "in"),
        lambda: S3Loader("a", key_env=None),
        lambda: GcsLoader("a", credentials_env="/etc/key.json"),
        lambda: SqlLoader("postgresql://user:password@host/db", "items"),
        lambda: SqlLoader("SHOP_URL", ""),
        lambda: SqlLoader("SHOP_URL", "items", page=0),
        lambda: SqlLoader("SHOP_URL", "items", columns="id"),
        lambda: HttpLoader("https://shop.test/"),
        lambda: HttpLoader(["ftp://shop.test/"]),
        lambda: HttpLoader(hosts=["https://shop.test"]),
        lambda: HttpLoader(private=["*"]),
        lambda: HttpLoader(limit=0),
        lambda: HttpLoader(token_env="a b"),
    ],
)
def test_a_part_that_cannot_work_is_refused(make: Callable[[], object]) -> None:
    with pytest.raises((ValueError, TypeError, LookupError)):
        make()
