"""Reading the web, faults included."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from embedding_studio.infra.loaders import Loaded, LoadFailure
from embedding_studio.infra.loaders.files import FilesLoader, RowFields
from embedding_studio.infra.loaders.guard import Guard
from embedding_studio.infra.loaders.retries import Retries
from embedding_studio.infra.loaders.web import WebFiles
from embedding_studio.kernel.errors import ForbiddenError, InvalidError, TooLargeError, UnavailableError
from integration.infra.loaders.web_server import Answer, WebServer, web_server
from unit.infra.loaders.reading import assert_resumable, outline, read_all

pytestmark = [pytest.mark.anyio, pytest.mark.integration]

QUICK = Retries(attempts=3, first=0.01, most=0.01, deadline=60)


@pytest.fixture
def web() -> Iterator[WebServer]:
    with web_server() as web:
        yield web


def loader(web: WebServer, *urls: str, guard: Guard | None = None, **options: Any) -> FilesLoader:
    hosts = frozenset({web.host})
    settings = {"token_env": None, "limit": 1 << 20, "deadline": 60.0, "retries": QUICK, **options}
    return FilesLoader(WebFiles(urls, guard or Guard(hosts, hosts), **settings), RowFields())


def typed(body: bytes, content_type: str) -> Answer:
    return Answer(body, headers={"Content-Type": content_type})


async def test_content_types_say_the_format(web: WebServer) -> None:
    urls = [
        web.put("/a", typed(b'{"id": 1}\nno\n{"id": 2}', "application/x-ndjson")),
        web.put("/b", typed(b'[{"id": 3}, 4]', "application/json; charset=utf-8")),
        web.put(
            "/c.txt",
            typed("id,name\n5,caf\N{LATIN SMALL LETTER E WITH ACUTE}".encode("latin-1"), "text/csv; charset=latin-1"),
        ),
        web.put("/d", typed(b"<p>", "text/html")),
        web.put("/e", typed(b"words", "text/plain")),
        web.put("/f.jsonl", typed(b'{"id": 6}', "application/octet-stream")),
        web.put("/g", typed(b"?", "application/zip")),
    ]

    records = await assert_resumable(loader(web, *urls))

    assert [name for name, _ in outline(records)] == [
        *("1", f"{urls[0]}:2", "2", "3", f"{urls[1]}:2", "5"),
        *(urls[3], urls[4], "6", urls[6]),
    ]
    assert records[5].payload == {"name": "caf\N{LATIN SMALL LETTER E WITH ACUTE}"}  # type: ignore[union-attr]  # it is loaded
    assert isinstance(records[6], Loaded)
    assert records[6].source == {"url": urls[3]}


async def test_what_fails_for_the_moment_is_tried_again(web: WebServer) -> None:
    good = typed(b'{"id": 1}\n{"id": 2}\n', "application/x-ndjson")
    cut = Answer(good.body, headers=good.headers, cut=5)
    url = web.put("/a", Answer(status=503), cut, good)

    records = await read_all(loader(web, url))

    assert [one.id for one in records] == ["1", "2"]
    assert len(web.requests) == 3


async def test_retry_after_is_heeded(web: WebServer) -> None:
    url = web.put("/a", Answer(status=429, headers={"Retry-After": "1"}), typed(b"words", "text/plain"))
    began = time.monotonic()

    await read_all(loader(web, url))

    assert time.monotonic() - began >= 1


async def test_attempts_and_waits_are_bounded(web: WebServer) -> None:
    with pytest.raises(UnavailableError, match="500"):
        await read_all(loader(web, web.put("/a", Answer(status=500))))
    assert len(web.requests) == 3

    with pytest.raises(UnavailableError, match="429"):
        await read_all(loader(web, web.put("/b", Answer(status=429, headers={"Retry-After": "3600"}))))
    assert len(web.requests) == 4


@pytest.mark.parametrize("status", [400, 403, 404, 410])
async def test_a_refusal_is_told_at_once_and_stops_nothing(web: WebServer, status: int) -> None:
    urls = web.put("/a", Answer(status=status)), web.put("/b", typed(b"words", "text/plain"))

    records = await read_all(loader(web, *urls))

    assert [type(one) for one in records] == [LoadFailure, Loaded]
    assert len(web.requests) == 2


async def test_a_download_over_the_limit_is_a_failure(web: WebServer) -> None:
    url = web.put("/a", typed(b"x" * 1001, "text/plain"))

    (record,) = await read_all(loader(web, url, limit=1000))

    assert isinstance(record, LoadFailure)
    assert "1000" in record.reason


async def test_a_slow_answer_ends_at_the_deadline(web: WebServer) -> None:
    def slow() -> Answer:
        time.sleep(0.5)
        return Answer()

    url = web.put("/a", slow)

    with pytest.raises(UnavailableError, match="Timeout"):
        await read_all(loader(web, url, deadline=0.1, retries=Retries(attempts=1)))


async def test_a_loopback_address_is_refused_unless_declared(web: WebServer) -> None:
    url = web.put("/a", typed(b"secret", "text/plain"))
    guarded = loader(web, url, guard=Guard(frozenset({web.host})))

    (record,) = await read_all(guarded)

    assert isinstance(record, LoadFailure)
    assert "not public" in record.reason
    assert web.requests == []


async def test_a_redirect_is_checked_like_a_request(web: WebServer) -> None:
    with web_server() as other:
        secret = other.put("/secret", typed(b"secret", "text/plain"))
        web.put("/b", typed(b"words", "text/plain"))
        urls = [
            web.put("/away", Answer(status=302, headers={"Location": secret})),
            web.put("/here", Answer(status=302, headers={"Location": "/b"})),
            web.put("/loop", Answer(status=302, headers={"Location": "/loop"})),
            web.put("/file", Answer(status=302, headers={"Location": "file:///etc/passwd"})),
        ]

        records = await read_all(loader(web, *urls))

        assert [type(one) for one in records] == [LoadFailure, Loaded, LoadFailure, LoadFailure]
        assert other.requests == []


async def test_the_address_that_was_checked_is_the_one_connected_to(web: WebServer) -> None:
    """A name that answers with another address the second time reaches nothing new."""
    web.put("/a", typed(b"words", "text/plain"))
    answers = [["127.0.0.1"], ["192.0.2.1"]]

    async def resolve(_host: str, _port: int) -> list[str]:
        return answers.pop(0)

    name = f"catalog.test:{web.port}"
    guard = Guard(frozenset({name}), frozenset({name}), resolve)

    (record,) = await read_all(loader(web, f"http://{name}/a", guard=guard))

    assert isinstance(record, Loaded)
    assert web.requests[0][1]["Host"] == name
    assert len(answers) == 1


@pytest.mark.parametrize("addresses", [["93.184.216.34", "127.0.0.1"], ["::ffff:127.0.0.1"], ["169.254.169.254"]])
async def test_one_private_address_among_a_hosts_is_enough_to_refuse_it(web: WebServer, addresses: list[str]) -> None:
    async def resolve(_host: str, _port: int) -> list[str]:
        return addresses

    name = f"catalog.test:{web.port}"

    (record,) = await read_all(loader(web, f"http://{name}/", guard=Guard(frozenset({name}), resolve=resolve)))

    assert isinstance(record, LoadFailure)
    assert "not public" in record.reason


async def test_a_token_stays_with_the_declared_host(web: WebServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CATALOG_TOKEN", "the-token")
    with web_server() as other:
        target = other.put("/b", typed(b"words", "text/plain"))
        url = web.put("/a", Answer(status=302, headers={"Location": target}))
        hosts = frozenset({web.host, other.host})

        await read_all(loader(web, url, guard=Guard(hosts, hosts), token_env="CATALOG_TOKEN"))

        assert web.requests[0][1]["Authorization"] == "Bearer the-token"
        assert "Authorization" not in other.requests[0][1]


async def test_fetch_gives_the_body_of_declared_hosts_alone(web: WebServer) -> None:
    url = web.put("/a.png", typed(b"\x89PNG", "image/png"))
    reader = loader(web, url)

    assert await reader.fetch({"url": url}) == b"\x89PNG"
    for other in ("http://192.0.2.1/", "http://127.0.0.1/", "ftp://" + web.host, f"http://a:b@{web.host}/", "x"):
        with pytest.raises(InvalidError, match="url"):
            await reader.fetch({"url": other})
    with pytest.raises(ForbiddenError):
        await loader(web, guard=Guard(frozenset({web.host}))).fetch({"url": url})
    web.put("/large", typed(b"x" * ((16 << 20) + 1), "image/png"))
    with pytest.raises(TooLargeError):
        await reader.fetch({"url": web.url("/large")})


async def test_a_document_that_changed_is_read_again(web: WebServer) -> None:
    url = web.put("/a", typed(b'{"id": 1}\n{"id": 2}\n', "application/x-ndjson"))
    first, _ = await read_all(loader(web, url))
    web.put("/a", typed(b'{"id": 3}\n{"id": 4}\n', "application/x-ndjson"))

    assert [one.id for one in await read_all(loader(web, url), first.cursor)] == ["3", "4"]
