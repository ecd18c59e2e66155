"""The experiment log of fine-tuning: MLflow, in workers only."""

import json
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import time_ns

# Read when mlflow is imported: nothing is sent to its makers, and a server that does not answer is given up in time.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")

from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_ALREADY_EXISTS, RESOURCE_DOES_NOT_EXIST, ErrorCode
from mlflow.tracking import MlflowClient
from sqlalchemy.exc import SQLAlchemyError

from embedding_studio.kernel.errors import UnavailableError

__all__ = ["CHALLENGER", "CHAMPION", "RunLog", "crown", "started_run"]

CHAMPION = "champion"
"""The alias of the version that serves."""

CHALLENGER = "challenger"
"""The alias of the last version that the gate promoted and that does not serve."""

_ALREADY_EXISTS = ErrorCode.Name(RESOURCE_ALREADY_EXISTS)
_ABSENT = ErrorCode.Name(RESOURCE_DOES_NOT_EXIST)
_PARENT = "mlflow.parentRunId"
_LONGEST_DIGEST = 36


class RunLog:
    """One run; every call has reached the store when it returns, or raises UnavailableError.

    Attributes:
        run_id: MLflow's id of the run.
    """

    def __init__(self, client: MlflowClient, run_id: str) -> None:
        self.run_id = run_id
        self._client = client

    def params(self, params: Mapping[str, object]) -> None:
        """Log parameters; one that was logged before cannot change."""
        self._batch(params=[Param(name, str(value)) for name, value in params.items()])

    def metrics(self, values: Mapping[str, float], *, step: int = 0) -> None:
        """Log a point of each metric's curve; `ndcg@10` is logged as `ndcg_at_10`, since MLflow refuses the sign."""
        now = time_ns() // 1_000_000
        named = {name.replace("@", "_at_"): value for name, value in values.items()}
        self._batch(metrics=[Metric(name, value, now, step) for name, value in named.items()])

    def tags(self, tags: Mapping[str, object]) -> None:
        """Set tags."""
        self._batch(tags=[RunTag(name, str(value)) for name, value in tags.items()])

    def json(self, path: str, content: Mapping[str, object]) -> None:
        """Store an artifact; `path` ends in `.json`."""
        with _available():
            self._client.log_dict(self.run_id, dict(content), path)

    def file(self, name: str, content: bytes) -> None:
        """Store an artifact."""
        with _available(), TemporaryDirectory() as folder:
            (Path(folder) / name).write_bytes(content)
            self._client.log_artifact(self.run_id, str(Path(folder) / name))

    def folder(self, path: Path, name: str) -> None:
        """Store all files of a folder as artifacts under `name`."""
        with _available():
            self._client.log_artifacts(self.run_id, str(path), name)

    def dataset(self, name: str, *, digest: str, profile: Mapping[str, object]) -> None:
        """Log what was trained on.

        Args:
            name: Of the data set.
            digest: Of its content; at most 36 characters of it are kept, as MLflow has it.
            profile: Counts and the like.
        """
        source = {"name": name, "digest": digest}
        dataset = Dataset(
            name, digest[:_LONGEST_DIGEST], "embedding_studio", json.dumps(source), profile=json.dumps(dict(profile))
        )
        with _available():
            self._client.log_inputs(self.run_id, [DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])])

    @contextmanager
    def nested(self, name: str) -> Iterator["RunLog"]:
        """A run within this one, such as one of a search; it ends as `started_run` does."""
        with _available():
            experiment = self._client.get_run(self.run_id).info.experiment_id
            tags = {_PARENT: self.run_id}
            run = self._client.create_run(experiment, run_name=name, tags=tags)
        log = RunLog(self._client, run.info.run_id)
        with _ended(self._client, log.run_id):
            yield log

    def register(self, model: str, *, tags: Mapping[str, str], alias: str | None = None) -> int:
        """Enter the run's artifacts into MLflow's model registry as the next version of `model`.

        Args:
            model: Of the registry.
            tags: Of the version.
            alias: What the version is called from now on, in place of the one that was called so.
        """
        with _available():
            with _existing_is_fine():
                self._client.create_registered_model(model)
            source = self._client.get_run(self.run_id).info.artifact_uri
            version = self._client.create_model_version(model, source, self.run_id, tags=dict(tags))
            if alias is not None:
                self._client.set_registered_model_alias(model, alias, version.version)
        return int(version.version)

    def _batch(self, **entities: Sequence[Metric | Param | RunTag]) -> None:
        with _available():
            self._client.log_batch(self.run_id, **entities)


@contextmanager
def started_run(
    *, tracking_uri: str, artifact_root: str | None, experiment: str, tags: Mapping[str, object]
) -> Iterator[RunLog]:
    """A run that ends as FINISHED, as FAILED after an exception, or as KILLED after an interruption.

    Args:
        tracking_uri: `sqlite:///` and a path, or a server's address. Tables are made at the first start.
        artifact_root: Address under which a new experiment gets a folder; None: the server knows.
        experiment: Created if it is not there.
        tags: Of the run.

    Raises:
        UnavailableError: The store does not answer or refuses.
    """
    with _available():
        client = _client(tracking_uri)
        run = client.create_run(_experiment(client, experiment, artifact_root))
    log = RunLog(client, run.info.run_id)
    with _ended(client, log.run_id):
        log.tags(tags)
        yield log


def crown(tracking_uri: str, model: str, version: int | None) -> None:
    """Call a version of the registry `champion`, and no longer `challenger` if it was.

    Args:
        tracking_uri: As of `started_run`.
        model: Of the registry; it may not be there.
        version: None: nothing that was registered serves, and there is no champion.

    Raises:
        UnavailableError: The store does not answer or refuses.
    """
    with _available():
        client = _client(tracking_uri)
        try:
            aliases = client.get_registered_model(model).aliases
        except MlflowException as error:
            if error.error_code == _ABSENT:
                return
            raise
        if version is None and CHAMPION in aliases:
            client.delete_registered_model_alias(model, CHAMPION)
        if version is not None:
            client.set_registered_model_alias(model, CHAMPION, str(version))
            if str(aliases.get(CHALLENGER)) == str(version):
                client.delete_registered_model_alias(model, CHALLENGER)


def _client(tracking_uri: str) -> MlflowClient:
    with warnings.catch_warnings():
        # MLflow 3.17 maps its tables in a way that SQLAlchemy 2.1 deprecates; the versions are pinned together.
        warnings.filterwarnings("ignore", "The ``noload`` loader strategy is deprecated")
        return MlflowClient(tracking_uri, registry_uri=tracking_uri)


def _experiment(client: MlflowClient, name: str, artifact_root: str | None) -> str:
    location = artifact_root and f"{artifact_root.rstrip('/')}/{name}"
    with _existing_is_fine():
        client.create_experiment(name, artifact_location=location)
    return str(client.get_experiment_by_name(name).experiment_id)


@contextmanager
def _available() -> Iterator[None]:
    try:
        yield
    except (MlflowException, SQLAlchemyError) as error:
        raise UnavailableError(f"the experiment log cannot be written: {error}") from error


@contextmanager
def _existing_is_fine() -> Iterator[None]:
    try:
        yield
    except MlflowException as error:
        if error.error_code != _ALREADY_EXISTS:
            raise


@contextmanager
def _ended(client: MlflowClient, run_id: str) -> Iterator[None]:
    status = "KILLED"
    try:
        yield
        status = "FINISHED"
    except Exception:
        status = "FAILED"
        raise
    finally:
        with _available():
            client.set_terminated(run_id, status)
