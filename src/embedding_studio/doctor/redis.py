"""Whether Redis is fit to carry messages."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import redis

from embedding_studio.doctor.checks import Check, bad, ok, warn
from embedding_studio.doctor.clocks import check_clock
from embedding_studio.infra.jobs import RedisSettings, open_client
from embedding_studio.kernel.time import now

__all__ = ["check_redis", "judge_redis"]

_NAME = "redis"
_LEAST = (6, 2)
_FULL = 0.9


def check_redis(settings: RedisSettings) -> list[Check]:
    """Look at the server that the settings name."""
    with open_client(settings) as client:
        info: dict[str, Any] = {**client.info("all"), **_snapshots(client)}
        seconds, micros = client.time()
        asked = now()
    clock = datetime.fromtimestamp(seconds + micros / 1e6, UTC)
    return [*judge_redis(info), *check_clock(_NAME, clock, asked)]


def judge_redis(info: Mapping[str, Any]) -> Iterator[Check]:
    """What is wrong, and what is not; `info` is that of Redis, with its setting `save`, where that is known."""
    version = str(info["redis_version"])
    if tuple(map(int, version.split(".")[:2])) < _LEAST:
        yield bad(_NAME, f"version {version}", "upgrade it to 6.2 or newer")
    else:
        yield ok(_NAME, f"version {version}")
    if info.get("role") == "slave":
        yield bad(_NAME, "it is a replica, which takes no messages", "name the primary in REDIS__URL")
    yield from _memory(info)
    if not info.get("aof_enabled") and info.get("save") == "":
        yield warn(_NAME, "it keeps nothing on disk: after its restart messages wait for the sweeper", "appendonly yes")


def _snapshots(client: redis.Redis) -> dict[str, Any]:
    """When it writes all to disk: empty for never. Some that are rented do not say."""
    with suppress(redis.ResponseError):
        return {"save": client.config_get("save").get("save")}
    return {}


def _memory(info: Mapping[str, Any]) -> Iterator[Check]:
    policy, most, used = (
        info.get("maxmemory_policy", "noeviction"),
        info.get("maxmemory", 0),
        info.get("used_memory", 0),
    )
    if policy != "noeviction":
        yield bad(_NAME, f"it throws messages away when it is full ({policy})", "maxmemory-policy noeviction")
    if most and used > _FULL * most:
        yield bad(_NAME, f"{used / most:.0%} of its memory is used: soon it takes no message", "raise maxmemory")
