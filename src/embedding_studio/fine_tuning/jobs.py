"""What may be sent to the fine-tuning workers."""

from embedding_studio.tasks import Job

__all__ = ["FINE_TUNE"]

FINE_TUNE = Job(kind="fine_tune", queue="finetune", time_limit=6 * 3600.0)
