"""Each check is well when its numbers are, and names its field when they are not."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from embedding_studio.clickstream.findings import EventFacts, EventFinding, Facts, SessionFacts, judge_events

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
WELL = Facts(
    now=NOW,
    collection="shop",
    intake=Counter(received=400, accepted=400, positioned=400, agreeing=400, timed=400),
    nowhere=0,
    everywhere=400,
    sessions=SessionFacts(count=1000, answered=300, named=1000, newest=NOW),
    events=EventFacts(types={"click": 380, "cart": 20}, clicked_sessions=290, newest=NOW),
)


def found(check: str, *, intake: dict[str, int] | None = None, **fields: Any) -> EventFinding:
    changed = replace(WELL, intake={**WELL.intake, **(intake or {})}, **fields)
    (finding,) = [one for one in judge_events(changed) if one.check == check]
    return finding


def sessions(**fields: Any) -> SessionFacts:
    return replace(WELL.sessions, **fields)


def events(**fields: Any) -> EventFacts:
    return replace(WELL.events, **fields)


def test_nothing_is_wrong_with_a_whole_stream() -> None:
    findings = judge_events(WELL)
    assert {one.severity for one in findings} == {"ok"}
    assert not any(one.remedy for one in findings)
    assert len({one.check for one in findings}) == len(findings)


@pytest.mark.parametrize(
    ("check", "field", "severity", "fields"),
    [
        ("joined", "session_id", "bad", {"nowhere": 40, "everywhere": 440}),
        ("joined", "session_id", "warn", {"nowhere": 8, "everywhere": 440}),
        ("not_shown", "item_id", "bad", {"intake": {"rejected_not_shown": 40}}),
        ("too_late", "timestamp", "bad", {"intake": {"rejected_too_late": 40}}),
        ("session_full", "session_id", "bad", {"intake": {"rejected_session_full": 40}}),
        ("positions", "position", "bad", {"intake": {"agreeing": 300}}),
        ("time_zone", "timestamp", "bad", {"intake": {"zone_120": 150}}),
        ("clock", "timestamp", "warn", {"intake": {"ahead": 40}}),
        ("clock", "timestamp", "bad", {"intake": {"ahead": 250}}),
        ("time_refused", "timestamp", "bad", {"intake": {"rejected_in_future": 30, "rejected_too_early": 10}}),
        ("duplicates", "event_id", "warn", {"intake": {"duplicate": 100}}),
        ("duplicates", "event_id", "bad", {"intake": {"duplicate": 4000}}),
        ("users", "user_id", "warn", {"sessions": sessions(named=10)}),
        ("silent", "events", "bad", {"sessions": sessions(count=10_000, answered=0)}),
        ("silent", "events", "warn", {"sessions": sessions(count=10_000, answered=100)}),
        ("stopped", "events", "bad", {"sessions": sessions(after_events=100)}),
        (
            "stopped",
            "events",
            "bad",
            {"sessions": SessionFacts(count=200, named=200, newest=NOW), "events": EventFacts()},
        ),
        ("alive", "track", "bad", {"sessions": sessions(count=0, newest=NOW - timedelta(days=8))}),
        ("alive", "track", "warn", {"sessions": SessionFacts()}),
        ("types", "type", "bad", {"events": events(types={"view": 100})}),
        ("propensities", "results[].propensity", "bad", {"sessions": sessions(wrong_propensities=500)}),
        ("propensities", "results[].propensity", "warn", {"sessions": sessions(wrong_propensities=3)}),
        ("bots_rate", "user_id", "bad", {"events": events(hasty_users=1, hasty_events=200)}),
        ("bots_rate", "user_id", "warn", {"events": events(hasty_users=1, hasty_events=20)}),
        ("bots_everything", "type", "bad", {"events": events(greedy_sessions=100)}),
    ],
)
def test_what_is_wrong_names_its_field_and_a_remedy(
    check: str, field: str, severity: str, fields: dict[str, Any]
) -> None:
    finding = found(check, **fields)
    assert (finding.field, finding.severity) == (field, severity)
    assert finding.remedy


def test_the_worst_comes_first() -> None:
    wrong = replace(WELL, nowhere=40, everywhere=440, sessions=sessions(named=10))
    severities = [one.severity for one in judge_events(wrong)]
    assert severities == sorted(severities, key=["bad", "warn", "ok"].index)
    assert severities[:2] == ["bad", "warn"]


def test_the_offset_of_a_time_zone_is_named() -> None:
    assert "+5.75 h" in found("time_zone", intake={"zone_345": 300, "zone_120": 10}).problem
    assert "-3 h" in found("time_zone", intake={"zone_-180": 300}).problem


def test_events_that_are_only_late_are_no_time_zone() -> None:
    late = {f"zone_{-15 * quarter}": 8 for quarter in range(2, 20)} | {"behind": 200}
    assert not [one for one in judge_events(replace(WELL, intake={**WELL.intake, **late})) if one.check == "time_zone"]


def test_a_few_searches_without_events_are_chance() -> None:
    """At 300 of 1,000 answered, five in a row without an event are nothing; forty are."""
    few = replace(WELL, sessions=sessions(after_events=5))
    assert not [one for one in judge_events(few) if one.check == "stopped"]
    assert found("stopped", sessions=sessions(after_events=40)).count == 40


def test_one_event_of_many_that_went_astray_is_no_alarm() -> None:
    assert found("joined", nowhere=1, everywhere=400).severity == "ok"


def test_engines_of_elsewhere_are_reminded_of_chance() -> None:
    finding = found("exploration", sessions=sessions(external=10))
    assert (finding.severity, finding.count, finding.of) == ("ok", 0, 10)
    assert "propensity" in finding.problem
    assert "send" not in found("exploration", sessions=sessions(external=10, external_explored=3)).problem
