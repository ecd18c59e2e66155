"""What may be sent to the fine-tuning workers."""

from embedding_studio.tasks import Job

__all__ = ["FINE_TUNE"]

FINE_TUNE = Job(kind="fine_tune", queue="finetune", time_limit=8 * 24 * 3600.0)
"""A task may train for a week, if it is asked to."""
