"""What is counted of requests."""

import pytest

from studio import Studio

pytestmark = pytest.mark.anyio

PATH = "/api/v1/sessions/{session_id}"


async def metrics(studio: Studio) -> dict[str, float]:
    lines = (await studio.client.get("/metrics")).text.splitlines()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")}


def named(metric: str, path: str, status: int, method: str = "GET") -> str:
    name = f'app_name="embedding_studio",method="{method}",path="{path}",status_code="{status}"'
    return f"embedding_studio_{metric}{{{name}}}"


async def test_requests_are_counted_and_timed_by_their_endpoint_and_answer(studio: Studio) -> None:
    await studio.client.get("/api/v1/sessions/first")
    before = await metrics(studio)
    for _ in range(3):
        await studio.client.get("/api/v1/sessions/no-such-session")
    after = await metrics(studio)
    counted, timed = named("requests_total", PATH, 404), named("request_duration_seconds_count", PATH, 404)
    seconds = named("request_duration_seconds_sum", PATH, 404)
    assert (after[counted] - before[counted], after[timed] - before[timed]) == (3, 3)
    assert 0 < after[seconds] - before[seconds] < 60
    assert named("requests_error_total", PATH, 404) not in after


async def test_what_is_under_way_is_counted_until_it_is_answered(studio: Studio) -> None:
    await studio.client.get("/health/live")
    under_way = {name: n for name, n in (await metrics(studio)).items() if "requests_in_progress" in name}
    assert [name for name, n in under_way.items() if n] == [
        'embedding_studio_requests_in_progress{app_name="embedding_studio",method="GET",path="/metrics"}'
    ]


async def test_what_went_wrong_on_our_side_is_counted(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object) -> None:  # in place of a coroutine
        raise RuntimeError

    monkeypatch.setattr(type(studio.container.clickstream), "get", broken)
    assert (await studio.client.get("/api/v1/sessions/any")).status_code == 500
    failed = [name for name, n in (await metrics(studio)).items() if "requests_error_total" in name and n]
    assert any("/api/v1/sessions/" in name and 'status_code="500"' in name for name in failed)
