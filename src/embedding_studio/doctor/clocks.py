"""Whether the clocks of machines agree: leases and the time that sessions take events depend on them."""

from collections.abc import Iterator
from datetime import datetime

from embedding_studio.doctor.checks import Check, bad, warn

__all__ = ["check_clock"]

_NOTABLE, _HARMFUL = 1.0, 5.0


def check_clock(server: str, theirs: datetime, ours: datetime) -> Iterator[Check]:
    """Nothing where they are within a second of each other, the way of the answer included."""
    ahead = (theirs - ours).total_seconds()
    if abs(ahead) > _NOTABLE:
        found = f"{abs(ahead):.1f} s {'ahead of' if ahead > 0 else 'behind'} this machine's"
        make = bad if abs(ahead) > _HARMFUL else warn
        yield make(f"clock of {server}", found, "let a time service (chrony, systemd-timesyncd) set both clocks")
