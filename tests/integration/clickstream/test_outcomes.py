"""What became of the searches of an experiment: each sum is one that can be made by hand."""

import math
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from embedding_studio.clickstream import METRICS, PREFERENCE, ArmOutcomes, Outcomes, OutcomesOf
from embedding_studio.kernel.ids import new_id
from studio import Studio

pytestmark = pytest.mark.anyio

Json = dict[str, Any]
DAY = datetime(2026, 1, 5, tzinfo=UTC)
LATER = DAY + timedelta(days=1)


async def keep(
    studio: Studio, experiment: str | None, *events: tuple[str, int], at: datetime = DAY, **fields: Any
) -> str:
    """Store a session that showed ten items, or as many as are given, with events of a type and a position each."""
    session_id = new_id()
    teams = fields.pop("teams", None) or [None] * fields.pop("shown", 10)
    session: Json = {
        "_id": session_id,
        "collection": "outcomes",
        "query": {"text": "a"},
        "results": [
            {"id": f"i{n}", "position": n, "score": 1.0, "propensity": 1.0} | ({"team": team} if team else {})
            for n, team in enumerate(teams, 1)
        ],
        "mode": "hybrid",
        "created_at": at,
        "has_events": bool(events),
        **({"experiment": experiment} if experiment else {}),
        **fields,
    }
    await studio.container.database["sessions"].insert_one(session)
    if events:
        await studio.container.database["events"].insert_many(
            [
                {
                    "_id": new_id(),
                    "session_id": session_id,
                    "collection": "outcomes",
                    "item_id": f"i{position}",
                    "type": kind,
                    "position": position,
                    "timestamp": at + timedelta(seconds=5 * number),
                    "received_at": at,
                }
                for number, (kind, position) in enumerate(events)
            ]
        )
    return session_id


async def outcomes(experiment: str, *, by_user: bool = True, **fields: Any) -> dict[str, ArmOutcomes]:
    asked = OutcomesOf(experiment=experiment, until=fields.pop("until", LATER), by_user=by_user, **fields)
    return {one.variant: one for one in await Outcomes().of(asked)}


def moments(rows: list[tuple[float, ...]]) -> tuple[list[float], list[list[float]]]:
    table = np.array(rows, np.float64)
    return table.sum(axis=0).tolist(), (table.T @ table).tolist()


@pytest.mark.usefixtures("studio")
async def test_an_experiment_that_nobody_searched_has_none() -> None:
    assert await outcomes(new_id()) == {}


async def test_the_first_click_is_ranked_and_each_use_is_counted_once(studio: Studio) -> None:
    name = new_id()
    of: Json = {"variant": "control", "user_id": "ann"}
    await keep(studio, name, ("click", 4), ("click", 1), ("click", 1), ("purchase", 1), took_ms=10.0, **of)
    await keep(studio, name, took_ms=20.0, **of)
    await keep(studio, name, ("view", 1), **of)
    await keep(studio, name, shown=0, **of)
    totals = (await outcomes(name))["control"].totals
    assert {
        one: totals[one] for one in ("sessions", "clicked", "clicks", "converted", "found", "abandoned", "empty")
    } == {
        "sessions": 4,
        "clicked": 1,
        "clicks": 2,
        "converted": 1,
        "found": 3,
        "abandoned": 2,
        "empty": 1,
    }
    assert (totals["reciprocal"], totals["timed"]) == (1 / 4, 2)
    assert totals["slowness"] == pytest.approx(math.log(10_000) + math.log(20_000))


async def test_users_are_units_with_all_of_their_sessions_or_sessions_are(studio: Studio) -> None:
    name = new_id()
    for user, clicks in (("ann", [1, 0, 1]), ("bob", [0, 0])):
        for clicked in clicks:
            await keep(studio, name, *([("click", 2)] if clicked else []), variant="treatment", user_id=user)
    by_user = (await outcomes(name))["treatment"]
    assert (by_user.assigned, by_user.units) == (2, 2)
    assert by_user.moments["ctr"] == moments([(2, 3), (0, 2)])
    by_session = (await outcomes(name, by_user=False))["treatment"]
    assert (by_session.assigned, by_session.units) == (5, 5)
    assert by_session.moments["ctr"] == moments([(1, 1), (0, 1), (1, 1), (0, 1), (0, 1)])


async def test_what_does_not_count_is_told_and_left_out(studio: Studio) -> None:
    name = new_id()
    of: Json = {"variant": "control"}
    await keep(studio, name, ("click", 1), user_id="ann", irrelevant_at=DAY, **of)
    await keep(studio, name, *(("click", n) for n in range(1, 9)), user_id="greedy", **of)
    await keep(studio, name, ("click", 3), user_id="bob", shown_before=10, **of)
    await keep(studio, name, ("click", 3), user_id="eve", at=LATER + timedelta(seconds=1), **of)
    await keep(studio, name, user_id="joe", **of)
    await keep(studio, new_id(), user_id="joe", **of)
    found = (await outcomes(name))["control"]
    assert (found.assigned, found.units) == (3, 1)
    assert (found.totals["irrelevant"], found.totals["bots"], found.totals["sessions"]) == (1, 1, 1)
    assert found.totals["clicks"] == 0


async def test_the_past_of_users_is_what_they_searched_before(studio: Studio) -> None:
    name, user, before = new_id(), new_id(), (DAY - timedelta(days=2), DAY)
    for days, events in ((1, [("click", 1)]), (1.5, []), (3, [("click", 1)])):
        await keep(studio, None, *events, user_id=user, at=DAY - timedelta(days=days))
    await keep(studio, name, ("click", 1), user_id=user, variant="control", at=DAY + timedelta(hours=1))
    await keep(studio, name, user_id=new_id(), variant="control", at=DAY + timedelta(hours=1))
    found = (await outcomes(name, history=before))["control"]
    assert found.moments["ctr"] == moments([(1, 1, 1, 2), (0, 1, 0, 0)])
    assert found.moments["mrr"] == moments([(1, 1), (0, 0)])


async def test_clicks_on_a_draft_are_the_credit_of_teams(studio: Studio) -> None:
    name = new_id()
    teams = ["treatment", "control", "control", "treatment", None]
    of: Json = {"variant": "interleaved", "user_id": "ann", "teams": teams}
    await keep(studio, name, ("click", 1), ("click", 4), ("click", 4), ("click", 2), **of)
    await keep(studio, name, ("click", 5), **of)
    await keep(studio, name, ("click", 3), **of | {"teams": ["control", *teams[1:]]})
    found = (await outcomes(name, drafted=True))["interleaved"]
    assert found.moments[PREFERENCE[0]] == moments([((2 - 1) / 3 - 1, 2)])
    wanted = ("control_clicks", "treatment_clicks", "control_clicked", "treatment_clicked", "control_first")
    assert [found.totals[one] for one in wanted] == [2, 2, 2, 1, 1]
    assert found.totals["treatment_first"] == 2


async def test_nearly_all_searches_are_faster_than_the_quantile(studio: Studio) -> None:
    name = new_id()
    for took in range(1, 101):
        await keep(studio, name, variant="control", took_ms=float(took))
    quantile = (await outcomes(name, by_user=False))["control"].p95_ms
    assert quantile is not None
    assert 95 <= quantile <= 95 * 1.06


SESSIONS = st.lists(
    st.tuples(
        st.sampled_from(["control", "treatment"]),
        st.integers(0, 3),
        st.lists(st.tuples(st.sampled_from(["click", "view", "purchase"]), st.integers(1, 5)), max_size=3),
        st.integers(0, 5),
        st.floats(0.5, 500),
    ),
    max_size=12,
)


@given(SESSIONS)
@hypothesis_settings(max_examples=25)
async def test_the_moments_are_those_of_the_units(studio: Studio, sessions: list[Any]) -> None:
    name = new_id()
    units: dict[str, dict[int, list[Json]]] = defaultdict(lambda: defaultdict(list))
    for variant, user, events, shown, took in sessions:
        seen = [one for one in events if one[1] <= shown]
        await keep(studio, name, *seen, variant=variant, user_id=f"u{user}", shown=shown, took_ms=took)
        clicks = [position for kind, position in seen if kind == "click"]
        acted = any(kind in {"click", "purchase"} for kind, _ in seen)
        units[variant][user].append(
            {
                "sessions": 1,
                "clicked": bool(clicks),
                "reciprocal": 1 / clicks[0] if clicks else 0,
                "found": shown > 0,
                "abandoned": shown > 0 and not acted,
                "converted": any(kind == "purchase" for kind, _ in seen),
                "empty": shown == 0,
                "timed": 1,
                "slowness": math.log(took * 1000),
            }
        )
    found = await outcomes(name)
    assert found.keys() == units.keys()
    for variant, of_users in units.items():
        for metric, columns in METRICS.items():
            rows = [tuple(sum(one[column] for one in user) for column in columns) for user in of_users.values()]
            sums, products = moments(rows)
            np.testing.assert_allclose(found[variant].moments[metric][0], sums, atol=1e-9)
            np.testing.assert_allclose(found[variant].moments[metric][1], products, atol=1e-9)
