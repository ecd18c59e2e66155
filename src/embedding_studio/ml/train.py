"""The process that trains an encoder: `python -m embedding_studio.ml.train FOLDER`, or under `accelerate launch`.

What happens is told on standard output, a JSON object a line. It ends with whoever started it: at the end of its
standard input.
"""

import os
import resource
import sys
import threading
from pathlib import Path
from typing import Any

import msgspec
import torch
from torch import distributed

from embedding_studio.kernel.errors import StudioError
from embedding_studio.ml.encoder_training import train_encoder
from embedding_studio.ml.job import Point, read_job

__all__ = ["OUT_OF_MEMORY", "leave", "main"]

OUT_OF_MEMORY = 3
"""Exit status where the process held more than it may."""

_ORPHANED = 4
_REFUSED = 5
_LOOK_EVERY = 0.2  # seconds


def main(folder: Path) -> int:
    """Do the job in the folder; returns the exit status."""
    job, data = read_job(folder)
    _start(_watch_parent)
    _start(_watch_memory, job.config.memory)
    torch.set_num_threads(max(1, job.config.threads // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))))
    try:
        result = train_encoder(folder, job, data, _tell)
    except StudioError as error:
        _print({"error": error.detail, "retryable": error.retryable})
        return _REFUSED
    if os.environ.get("RANK", "0") == "0":
        draft = folder / "result.json.draft"
        draft.write_bytes(msgspec.json.encode(result))
        draft.replace(folder / "result.json")
    return 0


def leave() -> None:
    """Part from the other processes, if there are any: an end without a word may be taken for a crash."""
    if distributed.is_initialized():
        distributed.destroy_process_group()


def _tell(done: int, total: int, point: Point | None) -> None:
    if point is None:
        _print({"done": done, "total": total})
    else:
        dev = sum(point.ndcg) / len(point.ndcg) if point.ndcg else None
        _print({"step": point.step, "loss": point.loss, "dev_ndcg@10": dev})


def _print(content: dict[str, Any]) -> None:
    sys.stdout.write(msgspec.json.encode(content).decode() + "\n")
    sys.stdout.flush()


def _start(watch: Any, *arguments: Any) -> None:
    threading.Thread(target=watch, args=arguments, daemon=True).start()


def _watch_parent() -> None:
    """Nobody writes to standard input: it ends when its other end does."""
    while os.read(sys.stdin.fileno(), 1024):
        pass
    os._exit(_ORPHANED)


def _watch_memory(limit: int) -> None:
    while _resident() <= limit:
        threading.Event().wait(_LOOK_EVERY)
    _print({"error": f"training needs more than the {limit / 2**20:.0f} MiB that it may hold", "retryable": False})
    os._exit(OUT_OF_MEMORY)


def _resident() -> int:
    """Bytes of main memory that the process holds now, or held at most where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return pages * resource.getpagesize()


if __name__ == "__main__":
    status = main(Path(sys.argv[1]))
    leave()
    sys.exit(status)
