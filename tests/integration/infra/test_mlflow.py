"""What a run leaves behind, read by MLflow's own client."""

import json
import os
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from embedding_studio.infra.mlflow import CHALLENGER, CHAMPION, RunLog, crown, started_run
from embedding_studio.kernel.errors import UnavailableError


class Store:
    """A store and a reader of it: of SQLite in a folder, or behind a server that somebody has started.

    MLflow's own server is in its full package alone, which nothing of ours needs. To run these tests against one, start
    it and name its address in MLFLOW_TEST_SERVER.
    """

    def __init__(self, folder: Path, server: str | None = None) -> None:
        self.artifacts = folder / "artifacts"
        self.uri = server or f"sqlite:///{folder / 'mlflow.db'}"
        self.is_server = server is not None

    def run(self, experiment: str = "movies") -> AbstractContextManager[RunLog]:
        root = None if self.is_server else self.artifacts.as_uri()
        return started_run(tracking_uri=self.uri, artifact_root=root, experiment=experiment, tags={"track": "adapter"})

    @property
    def reader(self) -> MlflowClient:
        return MlflowClient(self.uri, registry_uri=self.uri)


@pytest.fixture(scope="module", params=["sqlite", "server"])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Store:
    server = os.environ.get("MLFLOW_TEST_SERVER")
    if request.param == "server" and server is None:
        pytest.skip("needs the address of an MLflow server in MLFLOW_TEST_SERVER")
    return Store(tmp_path_factory.mktemp("mlflow"), server if request.param == "server" else None)


def test_parameters_curves_and_tags_are_read_back(store: Store) -> None:
    with store.run() as log:
        log.params({"rank": 32, "anchor": 3.0})
        for step, loss in enumerate([0.9, 0.5, 0.4]):
            log.metrics({"loss": loss, "dev/ndcg@10": 1 - loss}, step=step)
        log.tags({"gate": "promote"})
    run = store.reader.get_run(log.run_id)
    assert run.data.params == {"rank": "32", "anchor": "3.0"}
    assert (run.data.tags["track"], run.data.tags["gate"]) == ("adapter", "promote")
    history = store.reader.get_metric_history(log.run_id, "loss")
    assert [(point.step, point.value) for point in history] == [(0, 0.9), (1, 0.5), (2, 0.4)]
    assert run.data.metrics["dev/ndcg_at_10"] == pytest.approx(0.6)
    assert run.info.status == "FINISHED"


def test_artifacts_lie_under_the_experiments_folder(store: Store) -> None:
    with store.run() as log:
        log.json("data/manifest.json", {"sessions": 3000})
        log.file("adapter.safetensors", b"\x00\x01")
    folder = store.artifacts / "movies" / log.run_id / "artifacts"
    if store.is_server:
        folder = Path(store.reader.download_artifacts(log.run_id, ""))
    assert json.loads((folder / "data" / "manifest.json").read_text()) == {"sessions": 3000}
    assert (folder / "adapter.safetensors").read_bytes() == b"\x00\x01"
    assert {entry.path for entry in store.reader.list_artifacts(log.run_id)} == {"data", "adapter.safetensors"}


def test_runs_of_a_collection_are_in_its_experiment(store: Store) -> None:
    experiments = []
    for name in ("shop", "shop", "books"):
        with store.run(name) as log:
            experiments.append(store.reader.get_run(log.run_id).info.experiment_id)
    assert experiments[0] == experiments[1] != experiments[2]
    assert store.reader.get_experiment_by_name("shop").experiment_id == experiments[0]


def test_versions_of_a_model_count_up_and_name_their_run(store: Store) -> None:
    versions = []
    for _ in range(2):
        with store.run() as log:
            versions.append((log.register("movies", tags={"gate": "promote"}), log.run_id))
    assert [version for version, _ in versions] == [1, 2]
    found = store.reader.get_model_version("movies", "2")
    assert (found.run_id, found.tags) == (versions[1][1], {"gate": "promote"})


@pytest.mark.parametrize(
    ("raised", "status"),
    [(ValueError("no data"), "FAILED"), (KeyboardInterrupt(), "KILLED")],
    ids=["error", "interrupt"],
)
def test_a_run_that_broke_off_says_so(store: Store, raised: BaseException, status: str) -> None:
    runs: list[str] = []

    def broken() -> None:
        with store.run() as log:
            runs.append(log.run_id)
            raise raised

    with pytest.raises(type(raised)):
        broken()
    assert store.reader.get_run(runs[0]).info.status == status


def test_a_store_that_cannot_be_opened_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_text("no database " * 100)
    with pytest.raises(UnavailableError), Store(tmp_path).run():
        pass


def test_what_the_store_refuses_is_reported(store: Store) -> None:
    def contradictory() -> None:
        with store.run() as log:
            log.params({"rank": 32})
            log.params({"rank": 64})

    with pytest.raises(UnavailableError, match="rank"):
        contradictory()


def test_runs_of_a_search_are_within_its_run(store: Store) -> None:
    with store.run() as log, log.nested("0-query_adapter") as trial:
        trial.params({"anchor": 3.0})
        trial.metrics({"dev_ndcg@10": 0.4})
    found = store.reader.get_run(trial.run_id)
    assert found.data.tags["mlflow.parentRunId"] == log.run_id
    assert found.info.experiment_id == store.reader.get_run(log.run_id).info.experiment_id
    assert (found.info.status, found.data.metrics) == ("FINISHED", {"dev_ndcg_at_10": 0.4})


def test_the_data_of_a_run_is_named_by_its_hash(store: Store) -> None:
    with store.run() as log:
        log.dataset("movies", digest="ab" * 32, profile={"judgments": 12})
    (found,) = store.reader.get_run(log.run_id).inputs.dataset_inputs
    assert found.dataset.digest == "ab" * 18
    assert json.loads(found.dataset.source)["digest"] == "ab" * 32
    assert json.loads(found.dataset.profile) == {"judgments": 12}


def test_a_folder_is_kept_with_its_files(store: Store, tmp_path: Path) -> None:
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "config.json").write_text("{}")
    with store.run() as log:
        log.folder(tmp_path, "encoder")
    assert [entry.path for entry in store.reader.list_artifacts(log.run_id, "encoder/torch")] == [
        "encoder/torch/config.json"
    ]


def test_the_challenger_becomes_the_champion_when_it_serves(store: Store) -> None:
    model = "crowned"
    with store.run() as log:
        first, second = (log.register(model, tags={}, alias=CHALLENGER) for _ in range(2))

    def aliases() -> dict[str, int]:
        return {name: int(version) for name, version in store.reader.get_registered_model(model).aliases.items()}

    assert aliases() == {CHALLENGER: second}
    crown(store.uri, model, first)
    assert aliases() == {CHALLENGER: second, CHAMPION: first}
    crown(store.uri, model, second)
    assert aliases() == {CHAMPION: second}
    crown(store.uri, model, None)
    assert aliases() == {}
    crown(store.uri, "never registered", None)
