"""Quality over time, from stored sessions and events: each number is one that can be counted by hand."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from embedding_studio.clickstream import QualityService
from embedding_studio.kernel.ids import new_id
from studio import Studio

pytestmark = pytest.mark.anyio

Json = dict[str, Any]
DAY = datetime(2026, 1, 5, tzinfo=UTC)  # a Monday
SPAN = "since=2026-01-05T00:00:00Z&until=2026-01-12T00:00:00Z"


@pytest.fixture
async def shop(studio: Studio, any_name: str) -> AsyncIterator[str]:
    await studio.create(any_name, "vectors", options={"dimensions": 1})
    yield any_name
    await studio.client.delete(f"/api/v1/collections/{any_name}")


async def keep(
    studio: Studio,
    shop: str,
    *events: tuple[str, int],
    at: datetime = DAY,
    shown: int = 10,
    apart: float = 5.0,
    **fields: object,
) -> None:
    """Store a session with its events, each of a type and a position, so many seconds apart."""
    session_id = new_id()
    results = [{"id": f"i{n}", "position": n, "score": 1.0, "propensity": 1.0} for n in range(1, shown + 1)]
    session = {"_id": session_id, "collection": shop, "query": {"text": "a"}, "results": results, "mode": "hybrid"}
    versions = {"model_version": 1, "index_version": 1, "created_at": at, "has_events": bool(events)}
    await studio.container.database["sessions"].insert_one({**session, **versions, **fields})
    if events:
        await studio.container.database["events"].insert_many(
            [
                {
                    "_id": new_id(),
                    "session_id": session_id,
                    "collection": shop,
                    "item_id": f"i{position}",
                    "type": kind,
                    "position": position,
                    "timestamp": at + timedelta(seconds=number * apart),
                    "received_at": at,
                }
                for number, (kind, position) in enumerate(events)
            ]
        )


async def quality(studio: Studio, shop: str, query: str = SPAN) -> Json:
    answer = await studio.client.get(f"/api/v1/collections/{shop}/quality?{query}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def values(row: Json) -> dict[str, tuple[float | None, int]]:
    return {name: (row[name]["value"], row[name]["of"]) for name in ("ctr", "mrr", "zero_results", "abandonment")}


async def test_every_number_can_be_counted_by_hand(studio: Studio, shop: str) -> None:
    await keep(studio, shop, ("click", 2), ("click", 4), ("click", 2))
    await keep(studio, shop, ("view", 1), ("click", 1), ("dwell", 1))
    await keep(studio, shop, ("dwell", 3))
    await keep(studio, shop, ("view", 1), ("dismiss", 2))
    await keep(studio, shop)
    await keep(studio, shop, shown=0)
    (row,) = (await quality(studio, shop))["items"]
    assert (row["start"], row["model_version"], row["variant"], row["searches"]) == (
        "2026-01-05T00:00:00Z",
        1,
        None,
        6,
    )
    assert values(row) == {"ctr": (2 / 6, 6), "mrr": (0.75, 2), "zero_results": (1 / 6, 6), "abandonment": (2 / 5, 5)}
    assert row["ctr"]["ci95"] == pytest.approx([0.0968, 0.7000], abs=1e-4)
    assert row["mrr"]["ci95"] is None


async def test_a_search_of_many_pages_is_one(studio: Studio, shop: str) -> None:
    """The pages are those of a real search; of the empty one behind, nothing but the session says what it is."""
    await studio.add(shop, [{"id": f"i{n}", "payload": {}, "vector": [1]} for n in range(6)])
    cursor, shown = None, []
    while True:
        page = await studio.search(shop, filter={"not": {"field": "a", "eq": 1}}, limit=3, cursor=cursor)
        shown.append(len(page["results"]))
        if (cursor := page["next_cursor"]) is None:
            break
    assert shown == [3, 3, 0]
    elsewhere = {"session_id": new_id(), "query": "a", "results": [{"id": "i0", "position": 11}]}
    await studio.client.post(f"/api/v1/collections/{shop}/sessions", json=elsewhere)
    found = await quality(studio, shop, "")
    assert [(row["searches"], row["zero_results"]["value"]) for row in found["items"]] == [(1, 0.0)]
    assert found["excluded"] == {"later_pages": 3, "irrelevant": 0, "bots": 0}


async def test_irrelevant_sessions_and_programs_are_not_counted(studio: Studio, shop: str) -> None:
    await keep(studio, shop, ("click", 1))
    await keep(studio, shop, ("click", 1), irrelevant_at=DAY)
    await keep(studio, shop, *(("click", n) for n in range(1, 9)))
    await keep(studio, shop, *(("view", n % 10 + 1) for n in range(120)), apart=0.1)
    await keep(studio, shop, *(("view", n % 10 + 1) for n in range(120)), apart=1.0)
    await keep(studio, shop, *(("click", n) for n in range(2, 10)))
    found = await quality(studio, shop)
    assert found["excluded"] == {"later_pages": 0, "irrelevant": 1, "bots": 2}
    assert [row["searches"] for row in found["items"]] == [3]


async def test_time_version_and_variant_stand_apart(studio: Studio, shop: str) -> None:
    for at, version, variant in (
        (DAY, 1, None),
        (DAY + timedelta(hours=23, minutes=59), 1, None),
        (DAY, 2, None),
        (DAY, 2, "treatment"),
        (DAY + timedelta(days=2), 2, None),
    ):
        await keep(studio, shop, at=at, model_version=version, variant=variant)
    found = await quality(studio, shop)
    rows = [(row["start"][:10], row["model_version"], row["variant"], row["searches"]) for row in found["items"]]
    assert rows == [
        ("2026-01-05", 1, None, 2),
        ("2026-01-05", 2, None, 1),
        ("2026-01-05", 2, "treatment", 1),
        ("2026-01-07", 2, None, 1),
    ]


@pytest.mark.parametrize(("bucket", "starts"), [("hour", 3), ("day", 2), ("week", 2)])
async def test_buckets(studio: Studio, shop: str, bucket: str, starts: int) -> None:
    for at in (DAY - timedelta(minutes=1), DAY, DAY + timedelta(hours=1)):
        await keep(studio, shop, at=at)
    span = "since=2025-12-30T12:00:00Z&until=2026-01-12T00:00:00Z"
    found = await quality(studio, shop, f"{span}&bucket={bucket}")
    assert len(found["items"]) == starts
    if bucket == "week":
        assert [row["start"] for row in found["items"]] == ["2025-12-29T00:00:00Z", "2026-01-05T00:00:00Z"]


async def test_the_end_is_not_part_of_the_time(studio: Studio, shop: str) -> None:
    for at in (DAY - timedelta(milliseconds=1), DAY, DAY + timedelta(days=7)):
        await keep(studio, shop, at=at)
    assert [row["searches"] for row in (await quality(studio, shop))["items"]] == [1]


async def test_without_a_time_the_last_thirty_days(studio: Studio, shop: str) -> None:
    now = datetime.now(UTC)
    await keep(studio, shop, at=now - timedelta(days=29))
    await keep(studio, shop, at=now - timedelta(days=31))
    found = await quality(studio, shop, "")
    assert sum(row["searches"] for row in found["items"]) == 1
    assert found["bucket"] == "day"
    assert isinstance(studio.container.quality, QualityService)


@given(
    sessions=st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 5), st.lists(st.integers(1, 5), max_size=4)), max_size=12
    )
)
@hypothesis_settings(max_examples=15)
async def test_the_database_counts_as_python_does(
    studio: Studio, shop: str, sessions: Sequence[tuple[int, int, list[int]]]
) -> None:
    for name in ("sessions", "events"):
        await studio.container.database[name].delete_many({"collection": shop})
    for day, shown, clicks in sessions:
        kept = [("click", one) for one in clicks if one <= shown]
        await keep(studio, shop, *kept, at=DAY + timedelta(days=day), shown=shown)
    expected = {}
    for day in sorted({day for day, _, _ in sessions}):
        of_day = [(shown, [one for one in clicks if one <= shown]) for at, shown, clicks in sessions if at == day]
        clicked = [min(clicks) for _, clicks in of_day if clicks]
        full = sum(shown > 0 for shown, _ in of_day)
        expected[f"2026-01-{5 + day:02}"] = {
            "ctr": (len(clicked) / len(of_day), len(of_day)),
            "mrr": (sum(1 / one for one in clicked) / len(clicked) if clicked else None, len(clicked)),
            "zero_results": (1 - full / len(of_day), len(of_day)),
            "abandonment": ((full - len(clicked)) / full if full else None, full),
        }
    found = {row["start"][:10]: values(row) for row in (await quality(studio, shop))["items"]}
    assert found.keys() == expected.keys()
    for start, numbers in expected.items():
        for name, (value, of) in numbers.items():
            assert found[start][name] == (value if value is None else pytest.approx(value), of)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("since=yesterday", "since"),
        ("until=2026-01-01", "until"),
        ("since=2026-01-02T00:00:00Z&until=2026-01-02T00:00:00Z", "since"),
        ("since=2026-01-01T00:00:00Z&until=2027-03-01T00:00:00Z", "since"),
        ("since=0001-01-01T00:00:00Z&until=9999-01-01T00:00:00Z&bucket=week", "since"),
        ("bucket=year", "bucket"),
        ("bucket=hour", "since"),
    ],
)
async def test_what_cannot_be_asked(studio: Studio, shop: str, query: str, field: str) -> None:
    answer = await studio.client.get(f"/api/v1/collections/{shop}/quality?{query}")
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == field


async def test_a_collection_that_is_not_there(studio: Studio) -> None:
    assert (await studio.client.get("/api/v1/collections/nothing/quality")).status_code == 404
