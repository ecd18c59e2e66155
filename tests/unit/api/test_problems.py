"""Errors become problem documents that name the place and give nothing away."""

import logging
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import httpx
import msgspec
import pymongo.errors
import pytest
import redis
from litestar import Litestar, get, post
from litestar.params import JSONBody

from embedding_studio.api.problems import PROBLEM_HANDLERS, StrictRequest
from embedding_studio.kernel.errors import (
    ConflictError,
    FieldError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    StudioError,
    TooLargeError,
    UnavailableError,
)

pytestmark = pytest.mark.anyio

SECRET = "10.9.8.7:5432 password=hunter2"


class Inner(msgspec.Struct, forbid_unknown_fields=True):
    id: str


class Body(msgspec.Struct, forbid_unknown_fields=True):
    items: list[Inner]
    options: dict[str, int] = {}
    either: str | Inner | None = None


class Raiser:
    """What the handler raises next."""

    error: Exception = StudioError("none")


@get("/raise")
async def raise_it() -> None:
    raise Raiser.error


@post("/read")
async def read(data: JSONBody[Body]) -> None:
    assert isinstance(data, Body)


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    app = Litestar(
        [raise_it, read], request_class=StrictRequest, exception_handlers=PROBLEM_HANDLERS, logging_config=None
    )
    transport: Any = httpx.ASGITransport(app)  # type: ignore[arg-type]  # Litestar types its scope more narrowly
    async with httpx.AsyncClient(transport=transport, base_url="http://studio") as client:
        yield client


class OddError(NotFoundError):
    """An error of a context: its nearest known ancestor decides."""


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (NotFoundError("x"), 404),
        (OddError("x"), 404),
        (ConflictError("x"), 409),
        (InvalidError("x"), 400),
        (ForbiddenError("x"), 403),
        (TooLargeError("x"), 413),
        (UnavailableError("x"), 503),
    ],
)
async def test_each_error_has_its_status(client: httpx.AsyncClient, error: Exception, status: int) -> None:
    Raiser.error = error
    answer = await client.get("/raise")
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert (problem["type"], problem["status"], problem["detail"]) == ("about:blank", status, "x")


async def test_the_places_of_an_invalid_request_are_named(client: httpx.AsyncClient) -> None:
    Raiser.error = InvalidError("two things", (FieldError("a", "is odd"), FieldError("b[0]", "is even")))
    assert (await client.get("/raise")).json()["errors"] == [
        {"field": "a", "message": "is odd"},
        {"field": "b[0]", "message": "is even"},
    ]


async def test_who_may_come_again_is_told_when(client: httpx.AsyncClient) -> None:
    Raiser.error = UnavailableError("x", retry_after=5)
    assert (await client.get("/raise")).headers["retry-after"] == "5"


@pytest.mark.parametrize(
    "error",
    [
        asyncpg.ConnectionDoesNotExistError(SECRET),
        asyncpg.TooManyConnectionsError(SECRET),
        pymongo.errors.ServerSelectionTimeoutError(SECRET),
        pymongo.errors.AutoReconnect(SECRET),
        redis.ConnectionError(SECRET),
        ConnectionRefusedError(SECRET),
        TimeoutError(SECRET),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_an_outage_is_a_503_without_addresses(client: httpx.AsyncClient, error: Exception) -> None:
    Raiser.error = error
    answer = await client.get("/raise")
    assert answer.status_code == 503
    assert "retry-after" in answer.headers
    assert "10.9" not in answer.text


async def test_what_nobody_foresaw_is_logged_and_not_told(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    Raiser.error = ZeroDivisionError(SECRET)
    with caplog.at_level(logging.ERROR):
        answer = await client.get("/raise")
    assert answer.status_code == 500
    assert "hunter2" not in answer.text
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.parametrize(
    ("content", "field", "message"),
    [
        (b'{"items": [{"id": 5}]}', "items[0].id", "Expected `str`, got `int`"),
        (b'{"items": [{}]}', "items[0].id", "is required"),
        (b"{}", "items", "is required"),
        (b'{"items": [], "more": 1}', "more", "unknown field"),
        (b'{"items": [{"id": "a", "b c": 1}]}', "items[0].b c", "unknown field"),
        (b'{"items": [{"id": "a", "x - at `$.y`": 1}]}', "items[0].x - at `$.y`", "unknown field"),
        (b'{"items": [], "options": {"a": "b"}}', "options[...]", "Expected `int`, got `str`"),
        (b'{"items": [], "either": {"id": 1}}', "either.id", "Expected `str`, got `int`"),
        (b"[]", "body", "Expected `object`, got `array`"),
        (b"{", "body", "is not JSON: Input data was truncated"),
        (b'{"items": [{"id": "\xff"}]}', "body", "is not UTF-8"),
        (b'{"items": ' + b"[" * 100_000, "items[0]", "Expected `object`, got `array`"),
        (b'{"options": ' + b'{"a":' * 100_000, "options[...]", "Expected `int`, got `object`"),
        (b"", "body", "is required"),
    ],
)
async def test_a_bad_body_is_named_at_its_place(
    client: httpx.AsyncClient, content: bytes, field: str, message: str
) -> None:
    answer = await client.post("/read", content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert answer.json()["errors"] == [{"field": field, "message": message}]


async def test_a_form_is_not_read_as_json(client: httpx.AsyncClient) -> None:
    """A page of another site can send a form without asking; a body of type JSON it cannot."""
    answer = await client.post("/read", content=b'{"items": []}', headers={"Content-Type": "text/plain"})
    assert (answer.status_code, answer.headers["content-type"]) == (415, "application/problem+json")
