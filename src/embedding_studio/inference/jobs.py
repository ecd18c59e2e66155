"""What may be sent to the inference workers."""

from embedding_studio.tasks import Job

__all__ = ["DEPLOY"]

DEPLOY = Job(kind="deploy", queue="inference", bulk_queue="inference_bulk", max_attempts=10, time_limit=7 * 24 * 3600.0)
"""A model that goes with an index of its own waits among the long tasks: the index is built first."""
