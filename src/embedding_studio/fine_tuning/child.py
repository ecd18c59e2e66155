"""The process that trains an encoder, as its worker sees it."""

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from embedding_studio.fine_tuning.errors import TrainingFailedError
from embedding_studio.kernel.errors import UnavailableError
from embedding_studio.kernel.ids import new_id
from embedding_studio.ml.job import EncoderData, EncoderJob, EncoderResult, read_result, write_job

__all__ = ["Hear", "TrainingProcess"]

_MODULE = "embedding_studio.ml.train"
_GRACE = 300.0  # seconds, after those for training, to begin, look at dev and write the model
_DIGEST = "digest"
_CHUNK = 65_536  # bytes

Hear = Callable[[int, int], Awaitable[None]]
"""Told of steps done and steps in all."""


class TrainingProcess:
    """Runs one training at a time in a folder; the process dies with the worker, and a later one goes on.

    Args:
        launcher: What starts it, looked for beside this Python first; empty: this Python.
    """

    def __init__(self, launcher: Sequence[str] = ()) -> None:
        program, *options = launcher or [sys.executable]
        places = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)))
        self._command = [shutil.which(program, path=places) or program, *options, "-m", _MODULE]
        self._environment = {**os.environ} if launcher else _with_one_gpu(os.environ)

    async def run(self, folder: Path, job: EncoderJob, data: EncoderData, hear: Hear) -> EncoderResult:
        """Train, going on from what a process left in the folder that had the same job.

        Raises:
            TrainingFailedError: It gave up, took much longer than it may, or its launcher is not there.
            UnavailableError: It died, or a model cannot be loaded now.
        """
        await asyncio.to_thread(_prepare, folder, job, data)
        if not (folder / "result.json").exists():
            await self._train(folder, job, hear)
        return await asyncio.to_thread(read_result, folder)

    async def _train(self, folder: Path, job: EncoderJob, hear: Hear) -> None:
        process = await self._start(folder)
        try:
            async with asyncio.timeout(job.config.seconds + _GRACE):
                error = await _listen(process, hear)
                status = await process.wait()
        except TimeoutError:
            raise TrainingFailedError("training took much longer than it may") from None
        finally:
            await _end(process)
        _check(status, error, folder)

    async def _start(self, folder: Path) -> asyncio.subprocess.Process:
        with (folder / "log.txt").open("ab") as log:
            try:
                return await asyncio.create_subprocess_exec(
                    *self._command,
                    str(folder),
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=log,
                    env=self._environment,
                    start_new_session=True,
                )
            except OSError as error:
                raise TrainingFailedError(f"training cannot be started: {error}") from error


def _with_one_gpu(environment: Mapping[str, str]) -> dict[str, str]:
    """One process that sees several GPUs would copy the model to all of them at every step: slower than one alone."""
    visible = environment.get("CUDA_VISIBLE_DEVICES", "0")
    return {**environment, "CUDA_VISIBLE_DEVICES": visible.partition(",")[0]}


def _prepare(folder: Path, job: EncoderJob, data: EncoderData) -> None:
    """Write the job; a folder that holds another one, or half of one, is emptied first."""
    draft = folder.with_name(f".{folder.name}.{new_id()}")
    draft.mkdir(parents=True)
    digest = write_job(draft, job, data)
    known = folder / _DIGEST
    if known.exists() and known.read_text(encoding="ascii") == digest:
        (draft / "job.json").replace(folder / "job.json")
        shutil.rmtree(draft)
        return
    (draft / _DIGEST).write_text(digest, encoding="ascii")
    shutil.rmtree(folder, ignore_errors=True)
    draft.rename(folder)


async def _listen(process: asyncio.subprocess.Process, hear: Hear) -> dict[str, Any] | None:
    """Pass progress on; returns the error that the process told of."""
    error: dict[str, Any] | None = None
    if process.stdout is None:
        raise ValueError("the process has no output")
    async for line in process.stdout:
        with suppress(msgspec.DecodeError):
            told = msgspec.json.decode(line)
            if isinstance(told, dict) and "error" in told:
                error = told
            elif isinstance(told, dict) and "done" in told:
                await hear(told["done"], told["total"])
    return error


async def _end(process: asyncio.subprocess.Process) -> None:
    """Kill the process and wait until all that it started is gone.

    A launcher starts its processes in sessions of their own, which no signal to the launcher's group reaches: they end
    with their standard input, and hold the standard output open until then.
    """
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    if process.stdin:
        process.stdin.close()
    while process.stdout and await process.stdout.read(_CHUNK):
        pass
    await process.wait()


def _check(status: int, error: dict[str, Any] | None, folder: Path) -> None:
    if error:
        raise (UnavailableError if error.get("retryable") else TrainingFailedError)(str(error["error"]))
    if status != 0:
        log = (folder / "log.txt").read_text(encoding="utf-8", errors="replace").strip().splitlines()
        last = log[-1][:500] if log else "it said nothing"
        raise UnavailableError(f"the training process ended with status {status}: {last}")
