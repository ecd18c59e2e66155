"""Where it is safe to listen without keys."""

import ipaddress

from embedding_studio.kernel.errors import ForbiddenError

__all__ = ["is_loopback", "require_loopback"]


def require_loopback(host: str) -> None:
    """Refuse addresses that other machines can reach: without keys, whoever reaches the API may do all.

    Raises:
        ForbiddenError: The address is not of the loopback.
    """
    if not is_loopback(host):
        raise ForbiddenError(
            f"refusing to listen on {host}: without API keys only loopback addresses are safe."
            " EMBEDDING_STUDIO_ACCESS__REQUIRED=true requires them"
        )


def is_loopback(host: str) -> bool:
    """Whether a name or an address is this machine's for itself."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
