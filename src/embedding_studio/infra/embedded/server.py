"""A started server, and how to tell that it accepts connections."""

from collections.abc import Callable
from dataclasses import dataclass, field

from embedding_studio.infra.embedded.children import Child

__all__ = ["Server"]

_START_DEADLINE_S = 60.0


@dataclass(frozen=True, slots=True)
class Server:
    """One of the three servers.

    Attributes:
        child: Its process.
        url: How clients reach it, password included.
        accepts: Whether it accepts connections now.
    """

    child: Child
    url: str = field(repr=False)
    accepts: Callable[[], bool]

    def url_when_ready(self) -> str:
        """Wait, for up to a minute, until the server accepts connections.

        Raises:
            UnavailableError: It ended or did not become ready; the text ends with its last log lines.
        """
        self.child.wait_until(self.accepts, _START_DEADLINE_S)
        return self.url
