"""What may be sent to the inference workers."""

from embedding_studio.tasks import Job

__all__ = ["DEPLOY"]

DEPLOY = Job(kind="deploy", queue="inference", time_limit=600.0)
