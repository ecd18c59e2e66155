"""What the doctor says of one thing it looked at."""

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Literal

from embedding_studio.infra.outages import OUTAGES, as_unavailable
from embedding_studio.kernel.errors import StudioError

__all__ = ["Check", "Severity", "bad", "ok", "reached", "warn"]

Severity = Literal["ok", "warn", "bad"]


@dataclass(frozen=True, slots=True)
class Check:
    """One finding.

    Attributes:
        name: What was looked at.
        found: How it is.
        remedy: What to do; empty where all is well.
    """

    name: str
    severity: Severity
    found: str
    remedy: str = ""


def ok(name: str, found: str) -> Check:
    """All is well."""
    return Check(name, "ok", found)


def warn(name: str, found: str, remedy: str) -> Check:
    """It works, and may not for long, or not well."""
    return Check(name, "warn", found, remedy)


def bad(name: str, found: str, remedy: str) -> Check:
    """It does not work, or data is in danger."""
    return Check(name, "bad", found, remedy)


async def reached(name: str, checking: Awaitable[Sequence[Check]], setting: str) -> list[Check]:
    """What a server is like; that it does not answer is a finding too.

    Args:
        name: Of the server.
        checking: Looks at it.
        setting: Says where it is.
    """
    remedy = f"see that it runs and that {setting} is right: host, port, user, password, TLS"
    try:
        return list(await checking)
    except StudioError as error:
        return [bad(name, error.detail, remedy)]
    except OUTAGES as error:
        return [bad(name, as_unavailable(error).detail, remedy)]
    except Exception as error:  # noqa: BLE001  # the edge: a server may refuse for reasons of its own
        return [bad(name, f"refuses: {type(error).__name__}", f"{remedy}; its own log says more")]
