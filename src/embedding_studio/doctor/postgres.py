"""Whether PostgreSQL is fit to serve."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from embedding_studio.doctor.checks import Check, bad, ok, warn
from embedding_studio.doctor.clocks import check_clock
from embedding_studio.infra.migrations import known_revisions
from embedding_studio.infra.postgres import PostgresSettings, open_connection
from embedding_studio.kernel.time import now

__all__ = ["PostgresFacts", "check_postgres", "judge_postgres"]

_NAME = "postgres"
_LEAST = 16
_LEAST_VECTOR = (0, 8)
_POOLS = 2  # a process has a pool for searches and one for lookups
_LONG = 3_600
_FACTS = """
    SELECT
        current_setting('server_version_num')::int / 10000 AS version,
        (SELECT extversion FROM pg_extension WHERE extname = 'vector') AS vector,
        pg_is_in_recovery() AS is_replica,
        has_schema_privilege('public', 'CREATE') AS may_create,
        current_setting('fsync') = 'on' AND current_setting('full_page_writes') = 'on' AS is_durable,
        current_setting('max_connections')::int AS connections,
        (SELECT extract(epoch FROM max(now() - xact_start)) FROM pg_stat_activity
            WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
        )::float8 AS oldest,
        clock_timestamp() AS clock
"""


@dataclass(frozen=True, slots=True)
class PostgresFacts:
    """What was read.

    Attributes:
        version: Major.
        vector: Version of the extension; None where it is not there.
        revision: Of the schema; None where there is none.
        oldest: Seconds since the oldest transaction began.
    """

    version: int
    vector: str | None
    is_replica: bool
    may_create: bool
    is_durable: bool
    connections: int
    oldest: float | None
    clock: datetime
    revision: str | None


async def check_postgres(settings: PostgresSettings) -> list[Check]:
    """Look at the server that the settings name."""
    async with open_connection(settings) as connection:
        (row,) = await connection.fetch(_FACTS)
        asked = now()
        has_schema = await connection.fetchval("SELECT to_regclass('alembic_version') IS NOT NULL")
        revision = await connection.fetchval("SELECT version_num FROM alembic_version") if has_schema else None
    facts = PostgresFacts(**row, revision=revision)
    return [*judge_postgres(facts, settings), *check_clock(_NAME, facts.clock, asked)]


def judge_postgres(facts: PostgresFacts, settings: PostgresSettings) -> Iterator[Check]:
    """What is wrong, and what is not."""
    yield _version(facts)
    yield _vector(facts)
    yield _schema(facts)
    if facts.is_replica:
        yield bad(_NAME, "it is a replica, which takes no writes", "name the primary in POSTGRES__DSN")
    if not facts.may_create and not facts.is_replica:
        yield bad(_NAME, "our role may not create tables", "GRANT CREATE ON SCHEMA public to the role of POSTGRES__DSN")
    if not facts.is_durable:
        yield bad(_NAME, "fsync or full_page_writes is off: a power cut destroys the database", "turn both on")
    if facts.connections < _POOLS * settings.pool_size + 1:
        yield warn(
            _NAME,
            f"it takes {facts.connections} connections, and each of our processes up to {_POOLS * settings.pool_size}",
            "raise max_connections, or lower POSTGRES__POOL_SIZE",
        )
    if facts.oldest and facts.oldest > _LONG:
        yield warn(
            _NAME,
            f"a transaction is open for {facts.oldest / _LONG:.0f} h: dead rows stay, and migrations wait",
            "end the one with the oldest xact_start in pg_stat_activity",
        )


def _version(facts: PostgresFacts) -> Check:
    if facts.version < _LEAST:
        return bad(_NAME, f"version {facts.version}", f"upgrade it to {_LEAST} or newer")
    return ok(_NAME, f"version {facts.version}")


def _vector(facts: PostgresFacts) -> Check:
    if facts.vector is None:
        return bad("pgvector", "is not there", "install it, and as a superuser: CREATE EXTENSION vector")
    if tuple(map(int, facts.vector.split(".")[:2])) < _LEAST_VECTOR:
        return bad("pgvector", f"version {facts.vector}", "install 0.8 or newer, and: ALTER EXTENSION vector UPDATE")
    return ok("pgvector", f"version {facts.vector}")


def _schema(facts: PostgresFacts) -> Check:
    known = known_revisions()
    if facts.revision is None:
        return bad("schema", "is not there", "run: embedding-studio migrate")
    if facts.revision in known[:-1]:
        return bad("schema", f"revision {facts.revision}; {known[-1]} is needed", "run: embedding-studio migrate")
    if facts.revision not in known:
        return warn("schema", f"revision {facts.revision} of a newer release", "upgrade this machine too")
    return ok("schema", f"revision {facts.revision}")
