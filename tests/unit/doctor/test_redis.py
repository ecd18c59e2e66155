"""What the doctor says of Redis."""

from typing import Any

import pytest

from embedding_studio.doctor.redis import judge_redis

from .wrong import wrong

REDIS = {
    "redis_version": "6.2.14",
    "role": "master",
    "maxmemory_policy": "noeviction",
    "aof_enabled": 1,
    "rdb_last_save_time": 1_795_689_073,  # of its start, where it never saved
    "maxmemory": 0,
}


@pytest.mark.parametrize(
    ("fact", "severity", "says"),
    [
        ({}, None, ""),
        ({"redis_version": "5.0.7"}, "bad", "5.0.7"),
        ({"maxmemory_policy": "allkeys-lru"}, "bad", "allkeys-lru"),
        ({"aof_enabled": 0, "save": ""}, "warn", "nothing on disk"),
        ({"aof_enabled": 0, "save": "3600 1"}, None, ""),
        ({"aof_enabled": 0}, None, ""),
        ({"role": "slave"}, "bad", "replica"),
        ({"maxmemory": 100, "used_memory": 95}, "bad", "95%"),
    ],
)
def test_what_is_wrong_with_redis_is_said(fact: dict[str, Any], severity: str | None, says: str) -> None:
    found = wrong(judge_redis(REDIS | fact))
    assert [one for one, _ in found] == ([severity] if severity else [])
    assert all(says in text for _, text in found)
