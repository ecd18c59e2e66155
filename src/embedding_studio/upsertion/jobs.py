"""What may be sent to the upsertion workers."""

from embedding_studio.tasks import Job

__all__ = ["UPSERT"]

UPSERT = Job(kind="upsert", queue="upsert", max_attempts=10, time_limit=6 * 3600.0)
