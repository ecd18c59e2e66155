"""What is counted of requests."""

import pytest

from studio import Studio

pytestmark = pytest.mark.anyio

PATH = "/api/v1/sessions/{session_id}"


async def metrics(studio: Studio) -> dict[str, float]:
    lines = (await studio.client.get("/metrics")).text.splitlines()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")}


def requests(status: int, route: str = PATH) -> str:
    return f'embedding_studio_requests_total{{method="GET",route="{route}",status="{status}"}}'


def timed(what: str) -> str:
    return f'embedding_studio_request_seconds_{what}{{method="GET",route="{PATH}"}}'


async def test_requests_are_counted_and_timed_by_their_endpoint_and_answer(studio: Studio) -> None:
    await studio.client.get("/api/v1/sessions/first")
    before = await metrics(studio)
    for _ in range(3):
        await studio.client.get("/api/v1/sessions/no-such-session")
    after = await metrics(studio)
    grown = [after[name] - before[name] for name in (requests(404), timed("count"), timed("sum"))]
    assert grown[:2] == [3, 3]
    assert 0 < grown[2] < 60


async def test_what_is_under_way_is_counted_until_it_is_answered(studio: Studio) -> None:
    await studio.client.get("/health/live")
    assert (await metrics(studio))["embedding_studio_requests_in_progress"] == 1  # what asks for the metrics


async def test_what_went_wrong_on_our_side_is_counted(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object) -> None:  # in place of a coroutine
        raise RuntimeError

    before = (await metrics(studio)).get(requests(500), 0)
    monkeypatch.setattr(type(studio.container.clickstream), "get", broken)
    assert (await studio.client.get("/api/v1/sessions/any")).status_code == 500
    assert (await metrics(studio))[requests(500)] == before + 1


async def test_addresses_and_methods_that_there_are_not_add_no_names(studio: Studio) -> None:
    await studio.client.request("PROPFIND", "/no/such/place")
    known = (await metrics(studio)).keys()
    for number in range(3):
        await studio.client.request(f"METHOD{number}", f"/place/{number}")
    assert (await metrics(studio)).keys() == known
