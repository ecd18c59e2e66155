"""What MLflow keeps of a fine-tuning: choices, data, curves, every gate query's metrics, and the model."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from embedding_studio.fine_tuning.dataset import Dataset
from embedding_studio.fine_tuning.gate import GateRecord
from embedding_studio.fine_tuning.training import Candidate
from embedding_studio.infra.mlflow import RunLog, started_run

__all__ = ["ExperimentLog"]


class ExperimentLog:
    """Writes one run a fine-tuning. It blocks: call it from a thread.

    Args:
        tracking_uri: `sqlite:///` and a path, or a server's address.
        artifacts: Address under which runs keep their files; a server knows its own.
    """

    def __init__(self, *, tracking_uri: str, artifacts: str) -> None:
        self._tracking_uri = tracking_uri
        self._artifacts = None if tracking_uri.startswith("http") else artifacts

    def write(
        self,
        *,
        experiment: str,
        tags: Mapping[str, object],
        params: Mapping[str, object],
        dataset: Dataset,
        candidate: Candidate,
        record: GateRecord,
    ) -> str:
        """Write a finished run and register its model under the experiment's name; returns the run's id.

        Raises:
            UnavailableError: The store does not answer or refuses.
        """
        with started_run(
            tracking_uri=self._tracking_uri, artifact_root=self._artifacts, experiment=experiment, tags=tags
        ) as run:
            run.params({**params, **asdict(candidate.config)})
            run.json("data/manifest.json", _manifest(dataset))
            run.json("gate.json", record.as_dict())
            run.file("adapter.safetensors", candidate.adapter.to_bytes())
            _curve(run, candidate)
            run.metrics(_compared(record))
            run.register(experiment, tags={"gate": record.decision})
            return run.run_id


def _manifest(dataset: Dataset) -> dict[str, Any]:
    return {
        "sessions": dataset.sessions,
        "judgments": len(dataset.judgments.rows),
        "judgments_sha256": dataset.judgments.content_hash,
        "dropped": dataset.dropped,
        "splits": {name: list(keys) for name, keys in dataset.splits.items()},
    }


def _curve(run: RunLog, candidate: Candidate) -> None:
    for step, epoch in enumerate(candidate.curve):
        point = {"loss": epoch.loss, "dev_ndcg@10": epoch.dev_ndcg}
        run.metrics({name: value for name, value in point.items() if value is not None}, step=step)


def _compared(record: GateRecord) -> dict[str, float]:
    return {
        f"{name} {side}": getattr(comparison, side)
        for name, comparison in record.metrics.items()
        for side in ("before", "after", "delta")
    }
