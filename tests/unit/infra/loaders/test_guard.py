"""Addresses and hosts that may be asked."""

from ipaddress import ip_address

import httpx
import pytest

from embedding_studio.infra.loaders.guard import Guard, is_public
from embedding_studio.kernel.errors import InvalidError


@pytest.mark.parametrize(
    "address",
    [
        *("10.0.0.1", "172.16.0.1", "192.168.0.1", "127.0.0.1", "127.8.8.8", "0.0.0.0", "169.254.169.254"),
        *("100.64.0.1", "224.0.0.1", "239.1.1.1", "224.0.1.1", "240.0.0.1", "255.255.255.255", "192.0.2.1"),
        *("::", "::1", "fe80::1", "fc00::1", "fd00::1", "ff02::1", "ff0e::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1"),
        *("::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "2002:a9fe:a9fe::", "2001:db8::1"),
        "fe80::1%eth0",
    ],
)
def test_an_address_that_is_not_public_is_known_however_it_is_spelt(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", ["93.184.216.34", "8.8.8.8", "2606:2800:220:1::1"])
def test_a_public_address_is_known(address: str) -> None:
    assert is_public(ip_address(address))


GUARD = Guard(frozenset({"a.test", "b.test:8000"}))


@pytest.mark.parametrize("url", ["http://a.test/x", "https://A.test./x", "http://b.test:8000/"])
def test_declared_hosts_may_be_asked(url: str) -> None:
    GUARD.refuse_other_hosts(httpx.URL(url))


@pytest.mark.parametrize(
    "url",
    [
        *("http://a.test:8000/", "http://b.test/", "http://c.test/", "ftp://a.test/", "/x", "http://u:p@a.test/"),
        *("http://a.test.evil.test/", "http://a.test@evil.test/", "http://xa.test/"),
    ],
)
def test_everything_else_is_refused(url: str) -> None:
    with pytest.raises(InvalidError, match="url"):
        GUARD.refuse_other_hosts(httpx.URL(url))


def test_any_host_means_the_usual_ports() -> None:
    anywhere = Guard(frozenset({"*"}))

    anywhere.refuse_other_hosts(httpx.URL("https://a.test/"))
    with pytest.raises(InvalidError):
        anywhere.refuse_other_hosts(httpx.URL("https://a.test:6379/"))
