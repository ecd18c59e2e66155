"""TCP ports: one that is free, and one that must be."""

import errno
import random
import socket

from embedding_studio.kernel.errors import ConflictError, ForbiddenError, InvalidError

__all__ = ["LOOPBACK", "free_port", "require_free_port"]

LOOPBACK = "127.0.0.1"
"""The only address the embedded servers listen on."""

_RANGE = range(20_000, 32_768)
"""Below the ports that Linux hands to outgoing connections, so that none of those takes one before its server does."""

_spoken_for: set[int] = set()
"""Ports that somebody in this process has asked for: who will listen there may still be starting."""


def free_port() -> int:
    """A loopback port on which nothing listens now, chosen at random so that simultaneous callers rarely agree.

    Callers in one process, and those who have named a port, do not get the same while there are others.
    """
    for port in sorted(random.sample(_RANGE, k=len(_RANGE)), key=_spoken_for.__contains__):
        try:
            _try_to_listen(LOOPBACK, port)
        except OSError:
            continue
        _spoken_for.add(port)
        return port
    raise ConflictError(f"every port from {_RANGE.start} to {_RANGE.stop - 1} is in use")


def require_free_port(host: str, port: int) -> None:
    """Check that a server could listen on `host` and `port`.

    Raises:
        ConflictError: Another process listens there.
        ForbiddenError: The system keeps the port for other users.
        InvalidError: The host is not an address of this machine.
    """
    try:
        _try_to_listen(host, port)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise ConflictError(f"port {port} on {host} is in use by another process; choose another port") from error
        if error.errno == errno.EACCES:
            raise ForbiddenError(f"port {port} may not be used by this user; choose one above 1023") from error
        raise InvalidError.at("host", f"{host} is not an address of this machine ({error.strerror})") from error
    _spoken_for.add(port)


def _try_to_listen(host: str, port: int) -> None:
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind, protocol) as listener:
        listener.setsockopt(
            socket.SOL_SOCKET, socket.SO_REUSEADDR, 1
        )  # as servers do: an old connection is no hindrance
        listener.bind(address)
        listener.listen(1)
