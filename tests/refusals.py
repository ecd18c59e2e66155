"""Bad requests, and the proof that they are refused: a problem document, nothing written, the process unharmed."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from studio import Studio

__all__ = ["HUGE", "LONG", "Json", "check_problem", "nested", "refused", "written"]

HUGE = 10**30
LONG = "x" * 513

Json = dict[str, Any]


def nested(depth: int) -> bytes:
    """Objects within objects, as JSON."""
    return b'{"a":' * depth + b"1" + b"}" * depth


async def written(studio: Studio) -> list[int]:
    """How much there is of everything that a request may write.

    Deletions are left out: that of an unknown item is noted too, against writes which are still under way. So are
    idempotency keys that MongoDB may delete at any moment, since other tests made them long ago by a clock of theirs.
    """
    database, pool = studio.container.database, studio.container.pool
    documents = [await database[name].count_documents({}) for name in ("sessions", "events", "tasks", "model_versions")]
    lately = {"created_at": {"$gt": datetime.now(UTC) - timedelta(hours=20)}}
    documents.append(await database["idempotency_keys"].count_documents(lately))
    tables = await pool.fetch(
        "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'deletions' ORDER BY tablename"
    )
    return documents + [await pool.fetchval(f'SELECT count(*) FROM "{one["tablename"]}"') for one in tables]


def check_problem(answer: httpx.Response, status: int) -> Json:
    """The document, after RFC 9457 and our promise about `errors`."""
    problem: Json = answer.json()
    assert (answer.status_code, problem["status"]) == (status, status), answer.text
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert all(isinstance(problem[name], str) and problem[name] for name in ("type", "title", "detail"))
    assert all(one.keys() == {"field", "message"} and one["message"] for one in problem.get("errors", []))
    assert problem.keys() <= {"type", "title", "status", "detail", "errors", "request_id"}
    assert problem["request_id"] == answer.headers["x-request-id"]
    assert "Traceback" not in answer.text
    return problem


async def refused(studio: Studio, method: str, path: str, body: object, field: str | None, status: int = 400) -> None:
    """Send a bad request and prove that it is refused, at its place, with nothing written."""
    before = await written(studio)
    content = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
    headers = {"Content-Type": "application/json"}
    answer = await studio.client.request(method, path, content=content, headers=headers)
    problem = check_problem(answer, status)
    if field is not None:
        assert [one["field"] for one in problem["errors"]] == [field], answer.text
    assert await written(studio) == before
    assert (await studio.client.get("/health/live")).status_code == 200
