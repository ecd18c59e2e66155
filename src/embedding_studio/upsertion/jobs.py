"""What may be sent to the upsertion workers."""

from embedding_studio.tasks import Job

__all__ = ["DELETE", "INGEST", "OPTIMIZE", "REINDEX", "UPSERT"]

_SHORT, _BULK = "upsert", "upsert_bulk"
_LONGEST = 24 * 3600.0

UPSERT = Job(kind="upsert", queue=_SHORT, bulk_queue=_BULK, max_attempts=10, time_limit=_LONGEST)
DELETE = Job(kind="delete", queue=_SHORT, max_attempts=10)
INGEST = Job(kind="ingest", queue=_BULK, max_attempts=10, time_limit=_LONGEST)
OPTIMIZE = Job(kind="optimize", queue="reindex", max_attempts=5, time_limit=_LONGEST)
REINDEX = Job(kind="reindex", queue="reindex", max_attempts=10, time_limit=7 * _LONGEST)
