"""What is seen of a request: its id in the answer, in problems and in the log."""

import logging
from typing import Any

import pytest

from refusals import check_problem
from studio import Studio

pytestmark = pytest.mark.anyio

UNKNOWN = "/api/v1/sessions/no-such-session?user_id=secret"


def access_lines(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [vars(record) for record in caplog.records if record.name == "embedding_studio.access"]


async def test_an_answer_has_the_id_that_was_asked_with(studio: Studio) -> None:
    answer = await studio.client.get(UNKNOWN, headers={"X-Request-ID": "my-request_1.2"})
    assert answer.headers["x-request-id"] == "my-request_1.2"
    assert check_problem(answer, 404)["request_id"] == "my-request_1.2"


@pytest.mark.parametrize("id_", ["", "x" * 65, "two words", "a\tb", "a;b", "\u00fc"])
async def test_an_id_that_is_none_is_replaced(studio: Studio, id_: str) -> None:
    answer = await studio.client.get("/health/live", headers=[(b"X-Request-ID", id_.encode("latin-1"))])
    made = answer.headers["x-request-id"]
    assert made != id_
    assert len(made) == 32


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/no/such/place", 404), ("DELETE", "/health/live", 405), ("GET", "/api/v1/tasks?limit=0", 400)],
)
async def test_also_what_no_endpoint_answers_has_an_id(studio: Studio, method: str, path: str, status: int) -> None:
    check_problem(await studio.client.request(method, path), status)


async def test_also_what_went_wrong_on_our_side_has_an_id(
    studio: Studio, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: object) -> None:  # in place of a coroutine
        raise RuntimeError

    monkeypatch.setattr(type(studio.container.clickstream), "get", broken)
    check_problem(await studio.client.get(UNKNOWN), 500)
    assert "failed" in caplog.text


async def test_one_line_a_request_without_what_was_said_in_it(studio: Studio, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "embedding_studio")
    await studio.client.get(UNKNOWN)
    await studio.client.get("/health/live")
    await studio.client.request("PROPFIND", "/no/such/place")
    first, second = access_lines(caplog)
    assert first["message"] == "GET /api/v1/sessions/{session_id} 404"
    assert (first["method"], first["route"], first["status"]) == ("GET", "/api/v1/sessions/{session_id}", 404)
    assert 0 < first["ms"] < 60_000
    assert second["message"] == "other other 404"
    assert "secret" not in caplog.text


async def test_who_goes_away_in_the_middle_of_a_body_is_no_error_of_ours(studio: Studio) -> None:
    messages = iter([{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}])
    answers: list[Any] = []

    async def receive() -> Any:
        return next(messages)

    async def send(message: Any) -> None:
        answers.append(message)

    headers = [(b"host", b"localhost"), (b"content-type", b"application/json"), (b"content-length", b"100")]
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/api/v1/collections",
        "raw_path": b"/api/v1/collections",
        "query_string": b"",
        "root_path": "",
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "server": ("localhost", 80),
        "state": {},
    }
    app: Any = studio.client._transport
    await app.app(scope, receive, send)
    assert answers[0]["status"] == 400
