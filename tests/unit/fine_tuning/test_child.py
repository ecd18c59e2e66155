"""What a worker hears of its training process, and what is left of it: a short script stands in for training."""

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from embedding_studio.fine_tuning.child import TrainingProcess
from embedding_studio.fine_tuning.errors import TrainingFailedError
from embedding_studio.kernel.errors import UnavailableError
from embedding_studio.ml.job import EncoderConfig, EncoderData, EncoderJob
from embedding_studio.ml.pairs import Pairs
from processes import is_gone

pytestmark = pytest.mark.anyio

BEGIN = "import json, os, subprocess, sys, time\nfolder = sys.argv[-1]\n"
RESULT = {"curve": [], "chosen": 0, "canary_difference": 0.0, "examples_per_second": 1.0, "device": "here"}
FINISH = f"open(folder + '/result.json', 'w').write(json.dumps({RESULT}))\n"

Training = Callable[[str], TrainingProcess]


@pytest.fixture
def training(tmp_path: Path) -> Training:
    """A training that is a script."""

    def make(script: str) -> TrainingProcess:
        (tmp_path / "script.py").write_text(BEGIN + script)
        return TrainingProcess([sys.executable, str(tmp_path / "script.py")])

    return make


def data() -> EncoderData:
    vectors = np.eye(2, dtype=np.float32)
    pairs = Pairs(np.zeros(1, np.int64), np.zeros(1, np.int64), np.ones(1, np.float32))
    return EncoderData(
        queries=["a", "b"],
        items=[],
        item_vectors=vectors,
        start=vectors,
        train=pairs,
        gains=pairs.weight,
        dev=pairs,
        dev_shown=pairs,
        down=np.zeros((0, 2), np.float32),
        up=np.zeros((2, 0), np.float32),
    )


async def run(process: TrainingProcess, folder: Path, hear: Any = None, **config: Any) -> Any:
    async def nothing(_done: int, _total: int) -> None:
        pass

    job = EncoderJob(track="query_encoder", model="m", source="m", config=EncoderConfig(**config))
    return await process.run(folder / "run", job, data(), hear or nothing)


async def test_steps_are_heard_and_the_result_is_read(tmp_path: Path, training: Training) -> None:
    heard = []

    async def hear(done: int, total: int) -> None:
        heard.append((done, total))

    talk = "for n in (1, 2): print(json.dumps({'done': n, 'total': 2}))\nprint('no json')\nprint('[]')\n"
    result = await run(training(talk + FINISH), tmp_path, hear)
    assert heard == [(1, 2), (2, 2)]
    assert (result.device, result.resumed_from) == ("here", None)


async def test_a_training_that_had_ended_is_not_run_again(tmp_path: Path, training: Training) -> None:
    await run(training(FINISH), tmp_path)
    assert (await run(training("sys.exit(1)"), tmp_path, seconds=5.0)).device == "here"


async def test_of_another_job_nothing_is_kept(tmp_path: Path, training: Training) -> None:
    await run(training(FINISH), tmp_path)
    with pytest.raises(UnavailableError):
        await run(training("sys.exit(1)"), tmp_path, epochs=9)
    assert not (tmp_path / "run" / "result.json").exists()


@pytest.mark.parametrize(("retryable", "kind"), [("true", UnavailableError), ("false", TrainingFailedError)])
async def test_an_error_that_it_tells_of_is_raised(
    tmp_path: Path, training: Training, retryable: str, kind: type[Exception]
) -> None:
    told = f'{{"error": "no model", "retryable": {retryable}}}'
    with pytest.raises(kind, match="no model"):
        await run(training(f"print('{told}')\nsys.exit(5)"), tmp_path)


async def test_one_that_died_may_be_tried_again_and_its_last_words_are_told(tmp_path: Path, training: Training) -> None:
    with pytest.raises(UnavailableError, match="status 7: the last word"):
        await run(training("sys.stderr.write('first\\nthe last word\\n')\nsys.exit(7)"), tmp_path)


async def test_one_that_takes_much_too_long_is_ended(
    tmp_path: Path, training: Training, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("embedding_studio.fine_tuning.child._GRACE", 0.0)
    with pytest.raises(TrainingFailedError, match="much longer"):
        await run(training("time.sleep(600)"), tmp_path, seconds=0.5)


async def test_a_launcher_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(TrainingFailedError, match="no-such-launcher"):
        await run(TrainingProcess(["no-such-launcher", "--option"]), tmp_path)


async def test_a_launcher_beside_this_python_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    beside = tmp_path / "bin"
    beside.mkdir()
    (beside / "starter").write_text(f"#!{sys.executable}\n{BEGIN}{FINISH}")
    (beside / "starter").chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(beside / "python"))
    assert (await run(TrainingProcess(["starter"]), tmp_path)).device == "here"


async def test_what_a_launcher_starts_ends_with_a_cancelled_training(tmp_path: Path, training: Training) -> None:
    """As `accelerate launch` does: in a session of its own, with the launcher's standard input and output."""
    rank = 'import os\nprint(\'{"done": %d, "total": 1}\' % os.getpid(), flush=True)\nos.read(0, 1)\n'
    launch = f"subprocess.run([sys.executable, '-c', {rank!r}], start_new_session=True)\n"
    started: asyncio.Queue[int] = asyncio.Queue()

    async def hear(done: int, _total: int) -> None:
        started.put_nowait(done)

    work = asyncio.create_task(run(training(launch), tmp_path, hear))
    process = psutil.Process(await started.get())
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    async with asyncio.timeout(60):
        while not is_gone(process):  # noqa: ASYNC110  # another process
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(("visible", "one"), [(None, "0"), ("2,3", "2"), ("", "")])
async def test_without_a_launcher_one_gpu_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, visible: str | None, one: str
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    seen = tmp_path / "seen.py"
    seen.write_text(f"#!{sys.executable}\n{BEGIN}sys.stderr.write(os.environ['CUDA_VISIBLE_DEVICES'])\nsys.exit(1)")
    seen.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(seen))
    with pytest.raises(UnavailableError, match=f"status 1: {one or 'it said nothing'}"):
        await run(TrainingProcess(), tmp_path)
