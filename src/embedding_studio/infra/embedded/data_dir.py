"""The folder the embedded servers keep their data in: one run at a time, nothing of a dead run, secrets that stay."""

import fcntl
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from embedding_studio.kernel.errors import ConflictError, ForbiddenError

__all__ = ["lock_data_dir", "password_in", "publish", "wait_until_vacant"]

_PASSWORD_BYTES = 24
_POLL_S = 0.02


@contextmanager
def lock_data_dir(data_dir: Path) -> Iterator[None]:
    """Hold the folder, made if absent, for this process until the block is left or the process ends, however it ends.

    Raises:
        ConflictError: Another process holds it; the text names the process.
        ForbiddenError: This user may not write there.
    """
    with _opened(data_dir / "lock") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(lock, 20, 0).decode() or "another one"
            raise ConflictError(
                f"{data_dir} is in use by process {holder}; stop it or choose another folder"
            ) from error
        os.ftruncate(lock, 0)
        os.pwrite(lock, str(os.getpid()).encode(), 0)
        yield


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except PermissionError as error:
        raise ForbiddenError(f"this user may not write to {path.parent}; choose another folder or user") from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def wait_until_vacant(folder: Path, program: str, deadline_s: float = 15.0) -> None:
    """Wait for the processes of a killed run to be gone from their data folder.

    Args:
        folder: Where servers of this kind have their working directory.
        program: Name of their executable, so that a shell standing in the folder does not count.
        deadline_s: Seconds to wait.

    Raises:
        ConflictError: Some are still there, and are named; their data must not be touched.
    """
    deadline = time.monotonic() + deadline_s
    while left := _processes_in(folder, program):
        if time.monotonic() > deadline:
            names = ", ".join(map(str, left))
            raise ConflictError(f"{program} of an earlier run still works in {folder} (process {names}); stop it first")
        time.sleep(_POLL_S)


def _processes_in(folder: Path, program: str) -> list[int]:
    if not folder.exists():
        return []
    return [
        int(entry.name)
        for entry in Path("/proc").iterdir()
        if entry.name.isdigit() and _works_in(entry, folder, program)
    ]


def _works_in(process: Path, folder: Path, program: str) -> bool:
    try:
        return (process / "comm").read_text().strip() == program and (process / "cwd").samefile(folder)
    except (FileNotFoundError, ProcessLookupError, PermissionError):  # it ended meanwhile, or is another user's
        return False


def password_in(path: Path) -> str:
    """The password kept in a file that only its owner may read, made on first use: 48 hexadecimal digits."""
    if not path.exists():
        draft = path.with_name(f"{path.name}.new")
        draft.unlink(missing_ok=True)
        with open(draft, "x", opener=_private, encoding="ascii") as file:
            file.write(secrets.token_hex(_PASSWORD_BYTES))
            file.flush()
            os.fsync(file.fileno())
        publish(draft, path)
    return path.read_text(encoding="ascii")


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def publish(draft: Path, final: Path) -> None:
    """Give a finished file or folder its name, all at once and safe from a power cut."""
    draft.rename(final)
    parent = os.open(final.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(parent)
    finally:
        os.close(parent)
