"""A server's address is handed out once it accepts connections."""

import itertools
from pathlib import Path

import pytest

from embedding_studio.infra.embedded.children import Supervisor
from embedding_studio.infra.embedded.server import Server
from embedding_studio.kernel.errors import UnavailableError


def test_waits_until_it_accepts(tmp_path: Path) -> None:
    asked = itertools.count(1)

    with Supervisor() as supervisor:
        child = supervisor.start("server", ["/bin/sleep", "600"], log=tmp_path / "log")
        assert Server(child, "redis://:pw@host", lambda: next(asked) == 3).url_when_ready() == "redis://:pw@host"

    assert next(asked) == 4


def test_a_server_that_ends_is_an_error(tmp_path: Path) -> None:
    with Supervisor() as supervisor:
        child = supervisor.start("server", ["/bin/false"], log=tmp_path / "log")
        with pytest.raises(UnavailableError, match=r"server .* exit status 1"):
            Server(child, "redis://:pw@host", lambda: False).url_when_ready()


def test_repr_hides_the_password(tmp_path: Path) -> None:
    with Supervisor() as supervisor:
        child = supervisor.start("server", ["/bin/false"], log=tmp_path / "log")
        assert "secret" not in repr(Server(child, "redis://:secret@host", lambda: True))
