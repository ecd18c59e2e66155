"""What may be sent to the improvement workers."""

from embedding_studio.tasks import Job

__all__ = ["FORGET"]

FORGET = Job(kind="forget", queue="improve", time_limit=3600.0)
