"""What the doctor says of PostgreSQL."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import SecretStr

from embedding_studio.doctor.postgres import PostgresFacts, judge_postgres
from embedding_studio.infra.migrations import known_revisions
from embedding_studio.infra.postgres import PostgresSettings

from .wrong import wrong

POSTGRES = PostgresSettings(dsn=SecretStr("postgresql://u:secret@host/db"), pool_size=10)
FIT = PostgresFacts(
    version=18,
    vector="0.8.6",
    is_replica=False,
    may_create=True,
    is_durable=True,
    connections=100,
    oldest=1.0,
    clock=datetime(2026, 1, 31, tzinfo=UTC),
    revision=known_revisions()[-1],
)


def test_a_fit_postgres_is_fit() -> None:
    assert wrong(judge_postgres(FIT, POSTGRES)) == []


@pytest.mark.parametrize(
    ("fact", "severity", "says"),
    [
        ({"version": 15}, "bad", "version 15"),
        ({"vector": None}, "bad", "is not there"),
        ({"vector": "0.7.4"}, "bad", "0.7.4"),
        ({"revision": None}, "bad", "is not there"),
        ({"revision": "0001"}, "bad", "0001"),
        ({"revision": "9999"}, "warn", "newer release"),
        ({"is_replica": True}, "bad", "replica"),
        ({"may_create": False}, "bad", "may not create"),
        ({"is_durable": False}, "bad", "power cut"),
        ({"connections": 15}, "warn", "15 connections"),
        ({"oldest": 7200.0}, "warn", "2 h"),
    ],
)
def test_what_is_wrong_with_postgres_is_said(fact: dict[str, Any], severity: str, says: str) -> None:
    ((found_severity, found),) = wrong(judge_postgres(replace(FIT, **fact), POSTGRES))
    assert found_severity == severity
    assert says in found
