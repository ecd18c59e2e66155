"""What the doctor found wrong."""

from collections.abc import Iterable

from embedding_studio.doctor.checks import Check

__all__ = ["wrong"]


def wrong(checks: Iterable[Check]) -> list[tuple[str, str]]:
    """Each with something to do."""
    found = [one for one in checks if one.severity != "ok"]
    assert all(one.remedy for one in found)
    return [(one.severity, one.found) for one in found]
