"""What MLflow keeps of a fine-tuning: choices, data, trials, curves, every gate query's metrics, and the model."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from embedding_studio.infra.mlflow import CHALLENGER, RunLog, crown, started_run

if TYPE_CHECKING:  # who only moves an alias loads no torch
    from embedding_studio.fine_tuning.dataset import Dataset
    from embedding_studio.fine_tuning.gate import GateRecord
    from embedding_studio.fine_tuning.learning import Learned, Trial
    from embedding_studio.fine_tuning.training import Candidate

__all__ = ["ExperimentLog"]


class ExperimentLog:
    """Writes one run a fine-tuning, with a nested one for every trial. It blocks: call it from a thread.

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
        dataset: "Dataset",
        learned: "Learned",
        record: "GateRecord",
    ) -> tuple[str, int]:
        """Write a finished run and register its model under the experiment's name.

        A model that the gate promoted is the challenger from then on.

        Returns:
            The run's id, and the version in MLflow's registry.

        Raises:
            UnavailableError: The store does not answer or refuses.
        """
        candidate = learned.candidate
        with started_run(
            tracking_uri=self._tracking_uri, artifact_root=self._artifacts, experiment=experiment, tags=tags
        ) as run:
            run.params({**candidate.params, **params, "trained_track": candidate.track})
            manifest = _manifest(dataset)
            counts = {name: manifest[name] for name in ("sessions", "judgments")}
            run.dataset(experiment, digest=dataset.judgments.content_hash, profile=counts)
            run.json("data/manifest.json", manifest)
            run.json("gate.json", record.as_dict())
            _artifacts(run, candidate)
            _curve(run, candidate)
            run.metrics(_compared(record))
            for number, trial in enumerate(learned.trials):
                _trial(run, number, trial)
            alias = CHALLENGER if record.decision == "promote" else None
            version = run.register(experiment, tags={"gate": record.decision, "track": candidate.track}, alias=alias)
            return run.run_id, version

    def crown(self, experiment: str, version: int | None) -> None:
        """Call a version of the registry champion; None: none of it serves.

        Raises:
            UnavailableError: The store does not answer or refuses.
        """
        crown(self._tracking_uri, experiment, version)


def _manifest(dataset: "Dataset") -> dict[str, Any]:
    return {
        "sessions": dataset.sessions,
        "judgments": len(dataset.judgments.rows),
        "curated": len(dataset.judgments.curated),
        "judgments_sha256": dataset.judgments.content_hash,
        "dropped": dataset.dropped,
        "splits": {name: list(keys) for name, keys in dataset.splits.items()},
        "guarding": list(dataset.curated),
    }


def _artifacts(run: RunLog, candidate: "Candidate") -> None:
    if candidate.adapter:
        run.file("adapter.safetensors", candidate.adapter.to_bytes())
    if candidate.encoder:
        run.folder(candidate.encoder.folder, "encoder")


def _curve(run: RunLog, candidate: "Candidate") -> None:
    for point in candidate.curve:
        values = {"loss": point.loss, "dev_ndcg@10": point.dev_ndcg}
        run.metrics({name: value for name, value in values.items() if value is not None}, step=point.step)


def _trial(run: RunLog, number: int, trial: "Trial") -> None:
    with run.nested(f"{number}-{trial.track}") as nested:
        nested.params({**trial.params, "track": trial.track, "share": trial.share})
        nested.tags({"note": trial.note} if trial.note else {})
        dev = {} if trial.dev_ndcg is None else {"dev_ndcg@10": trial.dev_ndcg}
        nested.metrics({**dev, "seconds": trial.seconds})


def _compared(record: "GateRecord") -> dict[str, float]:
    return {
        f"{name} {side}": getattr(comparison, side)
        for name, comparison in record.metrics.items()
        for side in ("before", "after", "delta")
    }
