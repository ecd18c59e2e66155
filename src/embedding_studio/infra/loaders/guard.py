"""Requests that reach only hosts they may: no private address, however it is spelt."""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Any

import httpx

from embedding_studio.infra.loaders.retries import outage
from embedding_studio.kernel.errors import ForbiddenError, InvalidError

__all__ = ["ANY_HOST", "Guard", "GuardedTransport", "Resolve", "is_public"]

ANY_HOST = "*"

_PORTS = {"http": 80, "https": 443}

Resolve = Callable[[str, int], Awaitable[list[str]]]
"""From host and port to addresses."""


async def _resolve(host: str, port: int) -> list[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


@dataclass(frozen=True, slots=True)
class Guard:
    """Which hosts may be asked, and at which address.

    Attributes:
        hosts: `host`, which stands for ports 80 and 443, or `host:port`; `*` is every host at ports 80 and 443.
        private: Those of them whose addresses need not be public, spelt likewise.
        resolve: Finds a host's addresses.
    """

    hosts: frozenset[str]
    private: frozenset[str] = frozenset()
    resolve: Resolve = _resolve

    def refuse_other_hosts(self, url: httpx.URL) -> None:
        """Check everything of a URL but the address.

        Raises:
            InvalidError: It is no HTTP URL, holds credentials or names a host that is not declared.
        """
        if url.scheme not in _PORTS or not url.host:
            raise InvalidError.at("url", "must begin with http:// or https:// and a host")
        if url.userinfo:
            raise InvalidError.at("url", "must not hold credentials")
        if not _names(url) & self.hosts and not (ANY_HOST in self.hosts and url.port is None):
            raise InvalidError.at("url", f"the host {url.host} is not one that this loader reads")

    def declares(self, url: httpx.URL) -> bool:
        """Whether the URL's host is declared by name."""
        return bool(_names(url) & self.hosts)

    async def address(self, url: httpx.URL) -> str:
        """The address to connect to, all of the host's having been checked.

        Raises:
            ForbiddenError: One of the host's addresses is not public.
            OutageError: The host cannot be resolved.
        """
        host = url.raw_host.decode("ascii").rstrip(".")
        try:
            found = await self.resolve(host.strip("[]"), url.port or _PORTS[url.scheme])
        except OSError as error:
            raise outage(f"the host {url.host} cannot be resolved") from error
        addresses = [ipaddress.ip_address(one) for one in found]
        if not addresses:
            raise outage(f"the host {url.host} has no address")
        if not _names(url) & self.private and not all(is_public(one) for one in addresses):
            raise ForbiddenError(f"the host {url.host} has an address that is not public")
        return str(addresses[0])


class GuardedTransport(httpx.AsyncBaseTransport):
    """Connects to the very address that the guard has checked; every redirect passes here as well."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        # No connection is kept: one made for a host must not serve another host at the same address.
        self._inner = httpx.AsyncHTTPTransport(trust_env=False, limits=httpx.Limits(max_keepalive_connections=0))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send the request to the checked address, under the host's own name."""
        self._guard.refuse_other_hosts(request.url)
        address = await self._guard.address(request.url)
        extensions: dict[str, Any] = {**request.extensions, "sni_hostname": _name(request.url)}
        checked = httpx.Request(
            request.method,
            request.url.copy_with(host=address),
            headers=request.headers,
            stream=request.stream,
            extensions=extensions,
        )
        return await self._inner.handle_async_request(checked)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._inner.aclose()


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether the address belongs to the public internet; one that holds an IPv4 address does not, public or not."""
    if not address.is_global or address.is_multicast or address.is_reserved:
        return False
    return isinstance(address, IPv4Address) or address.sixtofour is None


def _name(url: httpx.URL) -> str:
    return url.raw_host.decode("ascii").strip("[]").rstrip(".").lower()


def _names(url: httpx.URL) -> set[str]:
    """How a declaration may spell the URL's host and port."""
    name = _name(url)
    return {f"{name}:{url.port or _PORTS[url.scheme]}"} | ({name} if url.port is None else set())
