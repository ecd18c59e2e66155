"""Where it is safe to listen without keys."""

import pytest

from embedding_studio.access import require_loopback
from embedding_studio.kernel.errors import ForbiddenError


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_loopback_addresses_are_fine(host: str) -> None:
    require_loopback(host)


@pytest.mark.parametrize(
    "host",
    [
        "0.0.0.0",
        "::",
        "192.168.1.5",
        "10.0.0.1",
        "example.org",
        "localhost.example.org",
        "",
        "127.0.0.1.nip.io",
    ],
)
def test_everything_else_is_refused(host: str) -> None:
    with pytest.raises(ForbiddenError, match="API keys"):
        require_loopback(host)
