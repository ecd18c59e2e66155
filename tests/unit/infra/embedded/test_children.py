"""Children are stopped in order, killed when they do not obey, and named when they end by themselves."""

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from embedding_studio.infra.embedded import children
from embedding_studio.infra.embedded.children import Child, Supervisor
from embedding_studio.kernel.errors import UnavailableError
from processes import is_gone

READY = "import signal, sys, time\n{setup}\nprint('ready', flush=True)\ntime.sleep(600)\n"
SAYS_BYE = READY.format(
    setup="signal.signal(signal.SIGTERM, lambda *_: sys.exit(open({path!r}, 'a').write({name!r}) and 0))"
)
IS_DEAF = READY.format(setup="signal.signal(signal.SIGTERM, signal.SIG_IGN)")


def python(script: str) -> list[str]:
    return [sys.executable, "-c", script]


def wait_for(condition: Callable[[], bool], deadline_s: float = 60) -> None:
    deadline = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        threading.Event().wait(0.01)


def is_ready(log: Path) -> bool:
    return log.exists() and "ready" in log.read_text()


def start_ready(supervisor: Supervisor, name: str, script: str, folder: Path) -> Child:
    log = folder / f"{name}.log"
    child = supervisor.start(name, python(script), log=log)
    child.wait_until(lambda: is_ready(log), 60)
    return child


def test_stops_in_reverse_order_of_start(tmp_path: Path) -> None:
    path = tmp_path / "order"

    with Supervisor() as supervisor:
        for name in "abc":
            start_ready(supervisor, name, SAYS_BYE.format(path=str(path), name=name), tmp_path)

    assert path.read_text() == "cba"


def test_kills_a_child_that_does_not_stop_in_time(tmp_path: Path) -> None:
    with Supervisor(stop_deadline_s=0.1) as supervisor:
        child = start_ready(supervisor, "deaf", IS_DEAF, tmp_path)

    assert not psutil.pid_exists(child.pid)


def test_kills_what_a_child_leaves_in_its_group(tmp_path: Path) -> None:
    script = "import subprocess\nprint('ready', subprocess.Popen(['/bin/sleep', '600']).pid, flush=True)"
    log = tmp_path / "parent.log"

    with Supervisor() as supervisor:
        child = supervisor.start("parent", python(script), log=log)
        wait_for(child.exited)
        grandchild = psutil.Process(int(log.read_text().split()[1]))
        assert grandchild.is_running()

    wait_for(lambda: is_gone(grandchild))


def test_a_terminal_s_interrupt_does_not_reach_a_child(tmp_path: Path) -> None:
    with Supervisor() as supervisor:
        child = start_ready(supervisor, "child", IS_DEAF.replace("TERM", "INT"), tmp_path)

        assert os.getpgid(child.pid) == os.getsid(child.pid) == child.pid


def test_an_error_in_the_block_stops_the_children_and_is_raised(tmp_path: Path) -> None:
    def start_and_fail() -> None:
        with Supervisor() as supervisor:
            start_ready(supervisor, "child", SAYS_BYE.format(path=str(tmp_path / "bye"), name="b"), tmp_path)
            raise LookupError

    with pytest.raises(LookupError):
        start_and_fail()

    assert (tmp_path / "bye").read_text() == "b"


def signal_during(monkeypatch: pytest.MonkeyPatch, owner: type, name: str, number: signal.Signals) -> None:
    """Have the signal come once the method was called: before, it would end these tests."""
    method = getattr(owner, name)

    def signalled(*arguments: object) -> object:
        monkeypatch.setattr(owner, name, method)
        threading.Timer(0.05, os.kill, (os.getpid(), number)).start()
        return method(*arguments)

    monkeypatch.setattr(owner, name, signalled)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_wait_returns_the_signal_that_came(
    tmp_path: Path, number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = signal.getsignal(number)

    with Supervisor() as supervisor:
        child = start_ready(supervisor, "child", IS_DEAF.replace("TERM", "INT"), tmp_path)
        signal_during(monkeypatch, Supervisor, "_ended", number)
        assert supervisor.wait(print) is number

    assert not psutil.pid_exists(child.pid)
    assert signal.getsignal(number) is before


def test_a_second_signal_while_stopping_kills(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Supervisor(stop_deadline_s=60) as supervisor:
        children = [start_ready(supervisor, name, IS_DEAF, tmp_path) for name in "ab"]
        signal_during(monkeypatch, Child, "exited", signal.SIGINT)
        began = time.monotonic()

    assert time.monotonic() - began < 60
    assert not any(psutil.pid_exists(child.pid) for child in children)


@pytest.mark.parametrize(
    ("script", "fate"),
    [
        ("print('the disk is full'); raise SystemExit(3)", "ended with exit status 3"),
        ("import os; print('the disk is full', flush=True); os.abort()", "was ended by SIGABRT"),
    ],
)
def test_wait_names_a_child_that_ends_by_itself_however_often_it_is_started(
    tmp_path: Path, script: str, fate: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(children, "_PAUSE_S", 0.001)
    monkeypatch.setattr(children, "_SHORT_LIFE_S", 600.0)  # a busy machine may take seconds to start a Python
    said: list[str] = []
    with Supervisor() as supervisor:
        start_ready(supervisor, "steady", IS_DEAF.replace("TERM", "INT"), tmp_path)
        frail = supervisor.start("frail", python(script), log=tmp_path / "frail.log")
        with pytest.raises(UnavailableError) as caught:
            supervisor.wait(said.append)

    assert caught.value.detail.startswith(f"frail (process {frail.pid}) {fate}\n")
    assert len(said) == 9
    assert all(line.startswith("frail") and line.endswith("starting it again") for line in said)
    assert caught.value.detail.endswith("the disk is full")


def test_wait_until_ends_with_a_child_that_never_gets_ready(tmp_path: Path) -> None:
    with Supervisor() as supervisor:
        child = supervisor.start("frail", python("raise SystemExit('no such option')"), log=tmp_path / "frail.log")
        with pytest.raises(UnavailableError, match=r"frail .* exit status 1\n(.*\n)*no such option"):
            child.wait_until(lambda: False, 30)


def test_wait_until_has_a_deadline(tmp_path: Path) -> None:
    with Supervisor(stop_deadline_s=0) as supervisor:
        child = start_ready(supervisor, "slow", IS_DEAF, tmp_path)
        with pytest.raises(UnavailableError, match=r"slow was not ready after 0.1 s\n(.*\n)*ready"):
            child.wait_until(lambda: False, 0.1)


def test_run_feeds_a_program_and_waits_for_it(tmp_path: Path) -> None:
    with Supervisor() as supervisor:
        supervisor.run("cat", ["/bin/cat"], log=tmp_path / "cat.log", stdin="hello")

    assert (tmp_path / "cat.log").read_text() == "hello"


def test_run_reports_failure(tmp_path: Path) -> None:
    with (
        Supervisor() as supervisor,
        pytest.raises(UnavailableError, match=r"setup .* exit status 1\n(.*\n)*bad folder"),
    ):
        supervisor.run("setup", python("raise SystemExit('bad folder')"), log=tmp_path / "setup.log")


def test_run_has_a_deadline(tmp_path: Path) -> None:
    with Supervisor() as supervisor, pytest.raises(UnavailableError, match=r"setup .* is still running"):
        supervisor.run("setup", ["/bin/sleep", "600"], log=tmp_path / "setup.log", deadline_s=0.1)


def test_a_log_holds_one_run_and_the_one_before_is_kept(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "echo.log"

    with Supervisor() as supervisor:
        for word in ("first", "second", "third"):
            supervisor.run("echo", ["/bin/echo", word], log=log)

    assert (log.read_text(), log.with_name("echo.log.1").read_text()) == ("third\n", "second\n")


def test_says_which_folder_it_may_not_enter(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0)
    script = textwrap.dedent(f"""
        from pathlib import Path
        from embedding_studio.infra.embedded.children import Supervisor
        with Supervisor() as supervisor:
            supervisor.start("child", ["/bin/true"], log=Path({str(tmp_path / "log")!r}), cwd=Path({str(closed)!r}))
    """)

    result = subprocess.run(
        [*ordinary_rights(), *python(script)], capture_output=True, text=True, check=False, timeout=120
    )

    assert f"ForbiddenError: /bin/true cannot be started: this user may not enter {closed}" in result.stderr


def ordinary_rights() -> list[str]:
    """What makes root heed the permissions of files; others do anyway."""
    if os.geteuid() != 0:
        return []
    setpriv = shutil.which("setpriv") or pytest.skip("setpriv is not installed")
    return [setpriv, "--bounding-set=-all", "--inh-caps=-all"]


def test_refuses_to_start_a_child_from_a_thread_that_would_take_it_along(tmp_path: Path) -> None:
    errors: list[BaseException] = []

    def start() -> None:
        with pytest.raises(RuntimeError) as caught:
            supervisor.start("child", ["/bin/sleep", "600"], log=tmp_path / "child.log")
        errors.append(caught.value)

    with Supervisor() as supervisor:
        thread = threading.Thread(target=start)
        thread.start()
        thread.join()

    assert "main thread" in str(errors[0])


def test_children_do_not_outlive_a_killed_parent(tmp_path: Path) -> None:
    script = textwrap.dedent(f"""
        from pathlib import Path
        from embedding_studio.infra.embedded.children import Supervisor
        with Supervisor() as supervisor:
            logs = [Path({str(tmp_path)!r}, name) for name in "abc"]
            program = ["/bin/sh", "-c", "echo ready; exec sleep 600"]
            children = [supervisor.start(log.name, program, log=log) for log in logs]
            print(*(child.pid for child in children), flush=True)
            supervisor.wait(print)
    """)
    with subprocess.Popen(python(script), stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        children = [psutil.Process(int(pid)) for pid in parent.stdout.readline().split()]
        wait_for(lambda: all(is_ready(tmp_path / name) for name in "abc"))
        parent.kill()

    assert len(children) == 3
    wait_for(lambda: all(map(is_gone, children)))
