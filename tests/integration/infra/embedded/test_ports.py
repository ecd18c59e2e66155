"""Ports that are free, and ports that must be."""

import socket

import pytest

from embedding_studio.infra.embedded import free_port, ports, require_free_port
from embedding_studio.kernel.errors import ConflictError, InvalidError

pytestmark = pytest.mark.integration


def test_a_free_port_can_be_listened_on() -> None:
    with socket.create_server(("127.0.0.1", free_port())):
        pass


def test_free_ports_are_out_of_the_range_of_outgoing_connections() -> None:
    assert all(1024 < free_port() < 32_768 for _ in range(50))


def test_no_port_is_given_to_two_whose_servers_start_at_once() -> None:
    assert len({free_port() for _ in range(500)}) == 500


def test_a_port_that_was_named_is_given_to_nobody_else_while_there_are_others(monkeypatch: pytest.MonkeyPatch) -> None:
    named, other = free_port(), free_port()
    monkeypatch.setattr(ports, "_spoken_for", set())
    monkeypatch.setattr(ports, "_RANGE", (named, other))
    require_free_port("127.0.0.1", named)
    assert free_port() == other
    assert free_port() in {named, other}


def test_a_port_in_use_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        with pytest.raises(ConflictError, match=f"port {port} on 127.0.0.1 is in use"):
            require_free_port("127.0.0.1", port)

    require_free_port("127.0.0.1", port)


def test_a_port_in_use_on_one_address_is_in_use_on_all() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, pytest.raises(ConflictError):
        require_free_port("0.0.0.0", server.getsockname()[1])


def test_a_port_is_free_although_an_old_connection_lingers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            accepted, _ = server.accept()
            accepted.close()

    require_free_port("127.0.0.1", port)


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid"])
def test_an_address_of_another_machine_is_refused(host: str) -> None:
    with pytest.raises(InvalidError, match=f"host: {host} is not an address of this machine"):
        require_free_port(host, free_port())
