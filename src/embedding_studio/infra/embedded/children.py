"""Child processes that never outlive their parent.

Three nets, the later for when the earlier is cut: the parent stops its children in reverse order of start; a child
that does not obey in time is killed with its process group; the kernel ends a child whose parent was killed (`guard`).
"""

import os
import pwd
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import FrameType, TracebackType
from typing import IO, Self

from embedding_studio.infra.embedded import guard
from embedding_studio.kernel.errors import ConflictError, ForbiddenError, UnavailableError

__all__ = ["Child", "Supervisor"]

_INTERRUPTS = (signal.SIGINT, signal.SIGTERM)
_POLL_S = 0.02
_TAIL_LINES = 15
_TAIL_BYTES = 8192
_SHORT_LIFE_S = 10.0
_MOST_SHORT_LIVES = 10
_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 5.0


class Child:
    """A started process, leader of a session and a process group of its own."""

    def __init__(
        self,
        name: str,
        launch: Callable[[], subprocess.Popen[bytes]],
        log: Path,
        stop_signal: signal.Signals = signal.SIGTERM,
    ) -> None:
        self.name = name
        self.log = log
        self._launch = launch
        self._stop_signal = stop_signal
        self.start()

    def start(self) -> None:
        """Start the program, for the first time or again."""
        self._process = self._launch()
        self._pidfd = os.pidfd_open(self._process.pid)
        self._started = time.monotonic()

    @property
    def age_s(self) -> float:
        """Seconds since the last start."""
        return time.monotonic() - self._started

    @property
    def pid(self) -> int:
        """Process id; also the id of the process group."""
        return self._process.pid

    def fileno(self) -> int:
        """A descriptor that becomes readable when the process ends."""
        return self._pidfd

    def exited(self, timeout_s: float = 0.0) -> bool:
        """Whether the process has ended, waiting for it up to `timeout_s` seconds."""
        poller = select.poll()
        poller.register(self, select.POLLIN)
        return bool(poller.poll(timeout_s * 1000))

    def wait_until(self, ready: Callable[[], bool], deadline_s: float) -> None:
        """Block until `ready` holds, asking every 20 ms.

        Raises:
            UnavailableError: The process ended first, or `deadline_s` seconds passed; its last log lines are shown.
        """
        deadline = time.monotonic() + deadline_s
        while not ready():
            if self.exited(_POLL_S):
                raise UnavailableError(self.report())
            if time.monotonic() > deadline:
                raise UnavailableError(f"{self.name} was not ready after {deadline_s:g} s\n{self._last_lines()}")

    def report(self) -> str:
        """How the process ended, and the last lines of its log."""
        return f"{self.name} (process {self.pid}) {self._fate()}\n{self._last_lines()}"

    def succeeded(self) -> bool:
        """Whether the process has ended with exit status 0."""
        result = self._result()
        return result is not None and (result.si_code, result.si_status) == (os.CLD_EXITED, 0)

    def stop(self, deadline_s: float) -> None:
        """Send the stop signal, wait up to `deadline_s` seconds, then kill what is left of the group."""
        if self._process.returncode is None:
            signal.pidfd_send_signal(self._pidfd, self._stop_signal)
            self.exited(deadline_s)
            self.kill()

    def kill(self) -> None:
        """Kill the whole group and reap the process; without effect when that was done already."""
        if self._process.returncode is None:
            os.killpg(self.pid, signal.SIGKILL)  # until it is reaped, an ended leader keeps the group's id from reuse
            self._process.wait()
            os.close(self._pidfd)

    def _result(self) -> os.waitid_result | None:
        """The end of the process without reaping it; None while it runs."""
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG)

    def _fate(self) -> str:
        result = self._result()
        if result is None:
            return "is still running"
        if result.si_code == os.CLD_EXITED:
            return f"ended with exit status {result.si_status}"
        return f"was ended by {signal.Signals(result.si_status).name}"

    def _last_lines(self) -> str:
        with self.log.open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - _TAIL_BYTES))
            lines = log.read().decode(errors="replace").splitlines()
        return "\n".join([f"last lines of {self.log}:", *lines[-_TAIL_LINES:]])


def _nothing() -> None:
    pass


class Supervisor:
    """Starts child processes and sees them all ended when the `with` block is left.

    Inside the block SIGINT and SIGTERM both raise KeyboardInterrupt, so that either ends the block in order; a second
    one, while children are being stopped, kills those that are left.
    To be entered and used in the main thread: the kernel ends a child when the thread that started it ends.

    Args:
        stop_deadline_s: Seconds each child gets between its stop signal and SIGKILL.
    """

    def __init__(self, stop_deadline_s: float = 20.0) -> None:
        self._stop_deadline_s = stop_deadline_s
        self._children: list[Child] = []
        self._short_lives: dict[str, int] = {}

    def __enter__(self) -> Self:
        self._previous = {number: signal.signal(number, _interrupt) for number in _INTERRUPTS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            while self._children:
                self._children[-1].stop(self._stop_deadline_s)
                self._children.pop()
        except KeyboardInterrupt:  # a second signal while stopping asks for haste
            for child in reversed(self._children):
                child.kill()
            self._children.clear()
        finally:
            for number, handler in self._previous.items():
                signal.signal(number, handler)

    def start(
        self,
        name: str,
        argv: Sequence[str | Path],
        *,
        log: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
        death_signal: signal.Signals = signal.SIGKILL,
        user: int | None = None,
        prepare: Callable[[], None] = _nothing,
    ) -> Child:
        """Start a program that ends when this process does.

        Args:
            name: What messages call it.
            argv: The program by its absolute path, then its arguments.
            log: Receives standard output and error; what an earlier run wrote there moves to `<log>.1`.
            env: The whole environment; None passes on the parent's.
            cwd: Folder to run in; None is the parent's.
            stop_signal: What asks it to end in order.
            death_signal: What the kernel sends it should the parent die without a word.
            user: User id to run as, with that user's group and no other; only root may ask for it.
            prepare: Is done before every start, the first and any later.

        Raises:
            ForbiddenError: This user may not enter `cwd`.
        """

        def launch() -> subprocess.Popen[bytes]:
            prepare()
            return _launch(argv, log, env=env, cwd=cwd, death_signal=death_signal, user=user)

        return self._adopt(Child(name, launch, log, stop_signal))

    def run(
        self,
        name: str,
        argv: Sequence[str | Path],
        *,
        log: Path,
        stdin: str = "",
        cwd: Path | None = None,
        user: int | None = None,
        deadline_s: float = 120.0,
    ) -> None:
        """Run a program to its end, guarded as in `start`; `stdin` is what it reads.

        Raises:
            UnavailableError: It failed or did not end in `deadline_s` seconds; the text ends with its last log lines.
        """
        with tempfile.TemporaryFile() as source:
            source.write(stdin.encode())
            source.seek(0)
            child = self._adopt(Child(name, partial(_launch, argv, log, stdin=source, cwd=cwd, user=user), log))
        child.exited(deadline_s)
        succeeded, report = child.succeeded(), child.report()
        child.kill()
        self._children.remove(child)
        if not succeeded:
            raise UnavailableError(report)

    def wait(self, say: Callable[[str], None]) -> signal.Signals:
        """Keep the children running until SIGINT or SIGTERM arrives, and return which.

        A child that ends by itself is started again, the later the more often it ended soon after its start.

        Args:
            say: Hears of every child that ended.

        Raises:
            UnavailableError: A child ended soon after its start ten times in a row; says how, with its last log lines.
        """
        try:
            while True:
                self._revive(self._ended(), say)
        except KeyboardInterrupt as interrupt:
            return signal.Signals[str(interrupt)]

    def _ended(self) -> Child:
        poller = select.poll()
        for child in self._children:
            poller.register(child, select.POLLIN)
        ended, _ = poller.poll()[0]
        return next(child for child in self._children if child.fileno() == ended)

    def _revive(self, child: Child, say: Callable[[str], None]) -> None:
        report = child.report()
        deaths = self._short_lives.get(child.name, 0) + 1 if child.age_s < _SHORT_LIFE_S else 0
        child.kill()
        while True:
            self._short_lives[child.name] = deaths
            if deaths >= _MOST_SHORT_LIVES:
                self._children.remove(child)
                raise UnavailableError(report)
            say(f"{report.splitlines()[0]}; starting it again")
            time.sleep(min(_LONGEST_PAUSE_S, _PAUSE_S * 2**deaths))
            try:
                child.start()
            except ConflictError as error:  # what the last run left is still ending
                report, deaths = error.detail, deaths + 1
            else:
                return

    def _adopt(self, child: Child) -> Child:
        self._children.append(child)
        return child


def _interrupt(number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt(signal.Signals(number).name)


def _launch(
    argv: Sequence[str | Path],
    log: Path,
    *,
    stdin: int | IO[bytes] = subprocess.DEVNULL,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    death_signal: signal.Signals = signal.SIGKILL,
    user: int | None = None,
) -> subprocess.Popen[bytes]:
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError(
            "children are started from the main thread: the kernel ends them with the thread that started them"
        )
    shim = [sys.executable, "-I", "-S", guard.__file__, os.getpid(), int(death_signal), _identity(user)]
    with _fresh(log) as output, _named_refusal(argv[0]):
        return subprocess.Popen(  # noqa: S603 -- programs are found by this package or are this interpreter
            [str(word) for word in (*shim, *argv)],
            stdin=stdin,
            stdout=output,
            stderr=output,
            env=env,
            cwd=cwd,
            start_new_session=True,
        )


@contextmanager
def _named_refusal(program: str | Path) -> Iterator[None]:
    try:
        yield
    except PermissionError as error:
        raise ForbiddenError(f"{program} cannot be started: this user may not enter {error.filename}") from error


def _identity(user: int | None) -> str:
    """The user as the guard reads it; a user without an entry has the group of the same number."""
    if user is None:
        return "-"
    try:
        return f"{user}:{pwd.getpwuid(user).pw_gid}"
    except KeyError:
        return f"{user}:{user}"


def _fresh(log: Path) -> IO[bytes]:
    log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if log.exists():
        log.replace(log.with_name(f"{log.name}.1"))
    return log.open("wb")
