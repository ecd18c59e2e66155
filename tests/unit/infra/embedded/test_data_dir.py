"""A data folder serves one run at a time, and a dead run is no obstacle."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from embedding_studio.infra.embedded.data_dir import lock_data_dir, password_in, wait_until_vacant
from embedding_studio.kernel.errors import ConflictError, ForbiddenError

HOLD = """
import sys, time
from pathlib import Path
from embedding_studio.infra.embedded.data_dir import lock_data_dir
with lock_data_dir(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


@contextmanager
def running(*argv: str, cwd: Path | None = None) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(argv, cwd=cwd, stdout=subprocess.PIPE, text=True) as process:
        try:
            wait_for_name(process.pid, Path(argv[0]).name)
            yield process
        finally:
            process.kill()


def wait_for_name(pid: int, name: str) -> None:
    """The kernel renames a process a moment after Popen has returned."""
    deadline = time.monotonic() + 60
    while Path(f"/proc/{pid}/comm").read_text().strip() != name:
        assert time.monotonic() < deadline


@contextmanager
def held(folder: Path) -> Iterator[int]:
    with running(sys.executable, "-c", HOLD, str(folder)) as process:
        assert process.stdout
        assert process.stdout.readline() == "held\n"
        yield process.pid


def test_a_second_holder_is_told_who_holds_the_folder(tmp_path: Path) -> None:
    with (
        held(tmp_path) as holder,
        pytest.raises(ConflictError, match=f"in use by process {holder};"),
        lock_data_dir(tmp_path),
    ):
        pass


def test_the_lock_of_a_killed_process_is_no_obstacle(tmp_path: Path) -> None:
    with held(tmp_path):
        pass
    assert (tmp_path / "lock").exists()

    with lock_data_dir(tmp_path):
        assert (tmp_path / "lock").read_text() == str(os.getpid())


def test_the_folder_is_free_after_the_block(tmp_path: Path) -> None:
    for _ in range(2):
        with lock_data_dir(tmp_path / "new" / "folder"):
            pass


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a second user")
def test_a_folder_of_another_user_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    os.setresuid(65534, 65534, 0)
    try:
        with pytest.raises(ForbiddenError, match="may not write to"), lock_data_dir(tmp_path / "data"):
            pass
    finally:
        os.setresuid(0, 0, 0)


def test_a_password_stays_and_is_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "password"

    password = password_in(path)

    assert len(bytes.fromhex(password)) == 24
    assert password_in(path) == password
    assert path.stat().st_mode & 0o777 == 0o600


def test_an_unfinished_password_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "password.new").write_text("abc")

    assert len(password_in(tmp_path / "password")) == 48


def test_passwords_differ(tmp_path: Path) -> None:
    assert password_in(tmp_path / "a") != password_in(tmp_path / "b")


def test_a_server_still_working_in_the_folder_is_named(tmp_path: Path) -> None:
    with running("/bin/sleep", "600", cwd=tmp_path) as server:
        message = rf"sleep of an earlier run still works in .* \(process {server.pid}\)"
        with pytest.raises(ConflictError, match=message):
            wait_until_vacant(tmp_path, "sleep", deadline_s=0.1)


def test_waits_for_a_server_that_is_ending(tmp_path: Path) -> None:
    with running("/bin/sleep", "0.2", cwd=tmp_path) as server:
        wait_until_vacant(tmp_path, "sleep", deadline_s=60)
        assert server.wait(60) == 0


def test_another_program_in_the_folder_does_not_count(tmp_path: Path) -> None:
    with running("/bin/sleep", "600", cwd=tmp_path):
        wait_until_vacant(tmp_path, "mongod", deadline_s=0)


def test_an_absent_folder_is_vacant(tmp_path: Path) -> None:
    wait_until_vacant(tmp_path / "absent", "mongod", deadline_s=0)
