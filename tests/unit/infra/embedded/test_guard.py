"""A guarded program runs only while its parent lives."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import psutil
import pytest

from embedding_studio.infra.embedded import guard

ONLY_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user")
NOBODY = 65534

# Forks a child that asks to die with its parent and then sleeps, says its process id, and is killed.
PARENT = """
import os, signal, sys, time
sys.path.insert(0, sys.argv[1])
import guard
parent = os.getpid()
said, say = os.pipe()
child = os.fork()
if child == 0:
    guard.die_with_parent(parent)
    os.write(say, b"!")
    time.sleep(600)
os.read(said, 1)
print(child, flush=True)
os.kill(parent, signal.SIGKILL)
"""


def guarded(
    *argv: str, parent: int | None = None, user: str = "-", cwd: Path | None = None, within: Sequence[str] = ()
) -> subprocess.CompletedProcess[str]:
    shim = [*within, sys.executable, "-I", "-S", guard.__file__, str(parent or os.getpid()), "9", user]
    return subprocess.run([*shim, *argv], capture_output=True, text=True, check=False, timeout=120, cwd=cwd)


def test_becomes_the_program() -> None:
    assert guarded("/bin/echo", "hello").stdout == "hello\n"


def test_does_not_start_once_the_parent_is_gone() -> None:
    ended = subprocess.Popen(["/bin/true"])
    ended.wait()

    result = guarded("/bin/echo", "hello", parent=ended.pid)

    assert (result.returncode, result.stdout) == (1, "")
    assert f"the parent, process {ended.pid}, is gone" in result.stderr


def test_says_why_a_program_was_not_started() -> None:
    assert "/bin/no-such-program was not started: [Errno 2]" in guarded("/bin/no-such-program").stderr


def test_a_child_that_asked_for_it_dies_with_its_parent() -> None:
    folder = str(Path(guard.__file__).parent)

    result = subprocess.run(
        [sys.executable, "-c", PARENT, folder], capture_output=True, text=True, check=False, timeout=120
    )

    assert result.returncode == -9
    psutil.wait_procs(orphans(int(result.stdout)), timeout=60)
    assert not orphans(int(result.stdout))


def orphans(pid: int) -> list[psutil.Process]:
    try:
        process = psutil.Process(pid)
        return [] if process.status() == psutil.STATUS_ZOMBIE else [process]
    except psutil.NoSuchProcess:
        return []


@ONLY_ROOT
def test_a_user_who_can_reach_all_keeps_no_right_of_root() -> None:
    status = guarded("/bin/cat", "/proc/self/status", user=f"{NOBODY}:{NOBODY}", cwd=Path("/")).stdout

    assert set(field(status, "Uid") + field(status, "Gid")) == {str(NOBODY)}
    assert field(status, "Groups") == []
    assert {int(word, 16) for name in ("CapInh", "CapPrm", "CapEff", "CapAmb") for word in field(status, name)} == {0}


@ONLY_ROOT
def test_a_user_works_in_a_folder_under_one_closed_to_him(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    folder = tmp_path / "data"
    folder.mkdir()
    os.chown(folder, NOBODY, NOBODY)

    result = guarded("/bin/touch", str(folder / "file"), user=f"{NOBODY}:{NOBODY}", cwd=folder)

    assert result.returncode == 0, result.stderr
    assert (folder / "file").stat().st_uid == NOBODY


@ONLY_ROOT
def test_the_kept_right_is_to_read_and_search_only(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)

    result = guarded("/bin/touch", str(tmp_path / "file"), user=f"{NOBODY}:{NOBODY}", cwd=tmp_path)

    assert result.returncode != 0
    assert not (tmp_path / "file").exists()


CONTAINER = "-all,+chown,+dac_override,+fowner,+fsetid,+kill,+setgid,+setuid,+setpcap"
WITHOUT_FILES = "-all,+chown,+kill,+setgid,+setuid,+setpcap"


def limited_root(capabilities: str) -> list[str]:
    """Runs a program as a root who has these capabilities only."""
    setpriv = shutil.which("setpriv") or pytest.skip("setpriv is not installed")
    return [setpriv, f"--bounding-set={capabilities}", "--inh-caps=-all"]


@ONLY_ROOT
def test_the_root_of_a_container_suffices(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    folder = tmp_path / "data"
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)

    user, within = f"{NOBODY}:{NOBODY}", limited_root(CONTAINER)
    result = guarded("/bin/touch", str(folder / "file"), user=user, cwd=folder, within=within)

    assert result.returncode == 0, result.stderr
    assert (folder / "file").stat().st_uid == NOBODY


@ONLY_ROOT
def test_says_which_folder_a_user_may_not_enter(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)

    user, within = f"{NOBODY}:{NOBODY}", limited_root(WITHOUT_FILES)
    result = guarded("/bin/true", user=user, cwd=tmp_path, within=within)

    assert f"/bin/true was not started: user {NOBODY} may not enter {tmp_path}," in result.stderr


@ONLY_ROOT
def test_dies_with_its_parent_after_the_change_of_user(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    script = (
        "import os, subprocess, sys;"
        "shim = [sys.executable, '-I', '-S', sys.argv[1], str(os.getpid()), '9', '65534:65534'];"
        "child = subprocess.Popen([*shim, '/bin/sh', '-c', 'echo ready; exec sleep 600'], stdout=subprocess.PIPE);"
        "child.stdout.readline(); print(child.pid, flush=True); os.kill(os.getpid(), 9)"
    )

    result = subprocess.run(
        [sys.executable, "-c", script, guard.__file__],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        cwd=tmp_path,
    )

    psutil.wait_procs(orphans(int(result.stdout)), timeout=60)
    assert not orphans(int(result.stdout))


def field(status: str, name: str) -> list[str]:
    return next(line.split()[1:] for line in status.splitlines() if line.startswith(f"{name}:"))
