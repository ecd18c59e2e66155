"""Training a small encoder for real."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from cross_encoder import save_cross_encoder
from embedding_studio.inference import OnnxEncoder
from embedding_studio.ml.encoder_training import train_encoder
from embedding_studio.ml.job import EncoderData, EncoderResult, Point, read_result, write_job
from embedding_studio.ml.ranking import ndcg_by_query
from embedding_studio.ml.train import OUT_OF_MEMORY
from small_encoder import job, one_thread, save_small_encoder, world

SOFTMAX = {"kind": "softmax", "anchor": 0.0}


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    with one_thread():
        yield


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return save_small_encoder(tmp_path_factory.mktemp("small"))


@pytest.fixture(scope="module")
def data(model: str) -> EncoderData:
    return world(model)


def train(folder: Path, data: EncoderData, model: str, **fields: Any) -> EncoderResult:
    return train_encoder(folder, job(model, **fields), data, lambda *_: None)


def dev(point: Point) -> float:
    return float(np.mean(point.ndcg))


@pytest.mark.parametrize("track", ["query_encoder", "both_encoders"])
@pytest.mark.parametrize(
    "loss",
    [
        SOFTMAX,
        {"kind": "cached_softmax", "anchor": 0.0, "chunk": 2},
        {"kind": "matryoshka", "loss": SOFTMAX, "dimensions": [32, 16]},
    ],
    ids=["softmax", "cached", "matryoshka"],
)
def test_clicks_teach_what_things_are_called(
    tmp_path: Path, data: EncoderData, model: str, track: str, loss: dict[str, Any]
) -> None:
    result = train(tmp_path, data, model, track=track, loss=loss)
    assert dev(result.curve[result.chosen]) > dev(result.curve[0]) + 0.2
    assert result.canary_difference < 1e-4


@pytest.mark.parametrize(
    "loss", [SOFTMAX, {"kind": "cached_softmax", "anchor": 0.0, "chunk": 2}], ids=["plain", "cached"]
)
def test_what_learns_in_bfloat16_is_looked_at_and_served_in_float32(
    tmp_path: Path, data: EncoderData, model: str, loss: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("embedding_studio.ml.encoder_training.has_bfloat16", lambda: True)
    result = train(tmp_path, data, model, track="both_encoders", loss=loss)
    assert dev(result.curve[result.chosen]) > dev(result.curve[0]) + 0.2
    assert result.canary_difference < 1e-5
    encoder = OnnxEncoder.load(tmp_path / "model", threads=1)
    queries, items = encoder.encode(data.queries, "query"), encoder.encode(data.items, "item")
    served = ndcg_by_query(queries, items, data.dev, data.dev_shown)
    np.testing.assert_allclose(served, result.curve[result.chosen].ndcg)


def test_grades_teach_the_order_of_items(tmp_path: Path, data: EncoderData, model: str) -> None:
    train(tmp_path, data, model, loss={"kind": "cosent", "anchor": 0.0})
    encoder = OnnxEncoder.load(tmp_path / "model", threads=1)
    after = encoder.encode(data.queries, "query") @ data.item_vectors.T

    def in_order(scores: np.ndarray[Any, Any]) -> float:
        pairs = scores[data.train.query, data.train.item].reshape(-1, 2)
        return float((pairs[:, 0] > pairs[:, 1]).mean())

    assert in_order(after) > in_order(data.start @ data.item_vectors.T)


def test_a_teachers_margins_are_learned(tmp_path: Path, data: EncoderData, model: str) -> None:
    teacher = save_cross_encoder(tmp_path / "teacher")
    result = train(tmp_path / "run", data, model, loss={"kind": "margins", "teacher": teacher}, settings={"epochs": 12})
    losses = [point.loss for point in result.curve if point.loss is not None]
    assert losses[-1] < 0.7 * losses[0]


@pytest.mark.parametrize("track", ["query_encoder", "both_encoders"])
def test_low_rank_updates_are_merged_before_the_export(
    tmp_path: Path, data: EncoderData, model: str, track: str
) -> None:
    result = train(tmp_path, data, model, track=track, settings={"lora_rank": 8, "learning_rate": 2e-2})
    assert dev(result.curve[result.chosen]) > dev(result.curve[0]) + 0.1
    assert result.canary_difference < 1e-4
    names = load_file(tmp_path / "model" / "torch" / "model.safetensors")
    assert not any("lora" in name for name in names)


def test_training_begins_where_the_deployed_version_is(tmp_path: Path, model: str) -> None:
    data = world(model, adapter=4)
    train(tmp_path, data, model, settings={"epochs": 1, "learning_rate": 1e-12})
    encoder = OnnxEncoder.load(tmp_path / "model", threads=1)
    np.testing.assert_allclose(encoder.encode(data.queries, "query"), data.start, atol=1e-4)


def test_what_was_trained_can_be_trained_on(tmp_path: Path, model: str) -> None:
    data = world(model, adapter=4)
    train(tmp_path / "first", data, model)
    first = tmp_path / "first" / "model"
    again = world(str(first / "torch"))
    train(tmp_path / "second", again, str(first / "torch"), settings={"epochs": 1, "learning_rate": 1e-12})
    before, after = [
        OnnxEncoder.load(folder, threads=1).encode(data.queries, "query")
        for folder in (first, tmp_path / "second" / "model")
    ]
    np.testing.assert_allclose(before, after, atol=1e-4)


def test_the_same_job_gives_the_same_numbers(tmp_path: Path, data: EncoderData, model: str) -> None:
    results = [train(tmp_path / name, data, model, settings={"epochs": 2}) for name in ("one", "other")]
    assert results[0].curve == results[1].curve


def test_past_its_time_training_stops_and_the_best_point_is_taken(
    tmp_path: Path, data: EncoderData, model: str
) -> None:
    result = train(tmp_path, data, model, settings={"epochs": 1000, "seconds": 0.001})
    assert [point.step for point in result.curve] == [0, 1]


def test_nothing_that_leaves_the_folder_is_a_pickle(tmp_path: Path, data: EncoderData, model: str) -> None:
    train(tmp_path, data, model, settings={"epochs": 1})
    suffixes = {path.suffix for path in (tmp_path / "model").rglob("*") if path.is_file()}
    assert suffixes <= {".json", ".onnx", ".safetensors", ".txt"}


class Process:
    """A training process, as its worker starts it."""

    def __init__(self, folder: Path) -> None:
        command = [sys.executable, "-m", "embedding_studio.ml.train", str(folder)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def wait_for(self, text: str) -> None:
        assert self._process.stdout
        assert any(text in line for line in self._process.stdout)

    def end(self, *, with_signal: int | None = None) -> int:
        if with_signal:
            self._process.send_signal(with_signal)
        assert self._process.stdout
        self._process.stdout.read()
        status = self._process.wait(timeout=120)
        assert self._process.stdin
        self._process.stdin.close()
        self._process.stdout.close()
        return status

    def orphan(self) -> int:
        assert self._process.stdin
        self._process.stdin.close()
        assert self._process.stdout
        self._process.stdout.close()
        return self._process.wait(timeout=120)


def test_a_killed_training_goes_on_and_ends_as_if_nothing_had_happened(
    tmp_path: Path, data: EncoderData, model: str
) -> None:
    folder = tmp_path / "killed"
    folder.mkdir()
    write_job(folder, job(model, settings={"epochs": 20}), data)
    killed = Process(folder)
    killed.wait_for('"step":12')
    assert killed.end(with_signal=signal.SIGKILL) == -signal.SIGKILL
    assert not (folder / "result.json").exists()
    assert Process(folder).end() == 0
    whole, gone_on = train(tmp_path / "whole", data, model, settings={"epochs": 20}), read_result(folder)
    assert gone_on.resumed_from
    assert (gone_on.curve, gone_on.chosen) == (whole.curve, whole.chosen)


def test_a_launcher_that_reduces_everything_reduces_nothing_here(
    tmp_path: Path, data: EncoderData, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "bf16")  # as `accelerate launch --mixed_precision bf16` does
    write_job(tmp_path, job(model, settings={"epochs": 2}), data)
    assert Process(tmp_path).end() == 0
    assert read_result(tmp_path).canary_difference < 1e-5


def test_half_a_checkpoint_is_passed_over(tmp_path: Path, data: EncoderData, model: str) -> None:
    whole = train(tmp_path / "whole", data, model, settings={"epochs": 3})
    folder = tmp_path / "cut"
    train(folder, data, model, settings={"epochs": 3})
    shutil.rmtree(folder / "model")
    newest = max((folder / "checkpoints").glob("checkpoint-*"))
    (newest / "complete").unlink()
    (newest / "optimizer.pt").write_bytes(b"half")
    again = train(folder, data, model, settings={"epochs": 3})
    assert again.resumed_from is None
    assert again.curve == whole.curve


def test_a_training_ends_with_its_worker(tmp_path: Path, data: EncoderData, model: str) -> None:
    write_job(tmp_path, job(model, settings={"epochs": 10_000}), data)
    process = Process(tmp_path)
    process.wait_for('"step":0')
    assert process.orphan() != 0


def test_a_training_that_takes_too_much_memory_gives_up(tmp_path: Path, data: EncoderData, model: str) -> None:
    write_job(tmp_path, job(model, settings={"epochs": 10_000, "memory": 1_000_000}), data)
    assert Process(tmp_path).end() == OUT_OF_MEMORY


LAUNCH = ("-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--main_process_port", "0")
"""As on a machine with two GPUs; where there are fewer, the processes meet on its cores."""

ONE_AFTER_THE_OTHER = """
import sys
from pathlib import Path
from embedding_studio.ml.train import leave, main

status = max(main(Path(folder)) for folder in sys.argv[1:])
leave()
sys.exit(status)
"""


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory, data: EncoderData, model: str) -> Path:
    """The folder of trainings that two processes did together, in one go, for it takes them seconds to begin."""
    folder, settings = tmp_path_factory.mktemp("together"), {"batch_size": 4}
    cached = {"kind": "cached_softmax", "anchor": 0.0, "chunk": 2}
    jobs = {
        "whole": job(model, settings=settings | {"epochs": 15}),
        "late": job(model, settings=settings | {"epochs": 1000, "seconds": 0.001}),
        "cached": job(model, track="both_encoders", loss=cached, settings=settings | {"epochs": 15, "lora_rank": 8}),
        "again": job(model, settings=settings | {"epochs": 3}),
    }
    for name, one in jobs.items():
        (folder / name).mkdir()
        write_job(folder / name, one, data)
    (folder / "script.py").write_text(ONE_AFTER_THE_OTHER)
    names = [str(folder / name) for name in (*jobs, "again")]
    command = [sys.executable, *LAUNCH, str(folder / "script.py"), *names]
    environment = dict(os.environ) if torch.cuda.device_count() > 1 else {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    log = folder / "log"
    with (
        log.open("w") as said,
        subprocess.Popen(command, stdin=subprocess.PIPE, stderr=said, env=environment) as process,
    ):
        assert process.wait() == 0, log.read_text()[-4000:]
    return folder


@pytest.mark.parametrize("name", ["whole", "cached"])
def test_two_processes_train_one_model(together: Path, data: EncoderData, name: str) -> None:
    result = read_result(together / name)
    assert result.curve[1].step == len(data.train) // 8
    assert dev(result.curve[result.chosen]) > dev(result.curve[0]) + 0.2
    encoder = OnnxEncoder.load(together / name / "model", threads=1)
    assert encoder.encode(data.queries, "query").shape == data.start.shape


def test_two_processes_stop_at_the_same_step_when_the_time_of_the_first_is_over(together: Path) -> None:
    assert [point.step for point in read_result(together / "late").curve] == [0, 1]


def test_two_processes_go_on_from_a_checkpoint(together: Path, data: EncoderData) -> None:
    result = read_result(together / "again")
    assert result.resumed_from == result.curve[-1].step == 3 * len(data.train) // 8
