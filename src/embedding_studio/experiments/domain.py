"""What an experiment is, and which unit is in which variant of it."""

import hashlib
from typing import Literal

__all__ = ["VARIANTS", "Kind", "Promote", "State", "Unit", "Variant", "variant_of"]

Kind = Literal["ab", "interleaving"]
Unit = Literal["user", "session"]
Variant = Literal["control", "treatment"]
State = Literal["preparing", "running", "stopped", "decided"]
Promote = Literal["never", "if_better"]

VARIANTS: tuple[Variant, Variant] = ("control", "treatment")

_WORD = 8
_RANGE = 2 ** (8 * _WORD)


def variant_of(unit: str, *, salt: str, traffic: float) -> Variant | None:
    """The variant of a unit, the same each time; None if it is not in the experiment.

    Units are spread by a hash: `traffic` of them are in the experiment, half of these in the treatment. With more
    traffic the same units are in it, in the same variants, and others besides; another salt spreads them anew.

    Args:
        unit: A user or a session.
        salt: Of the experiment.
        traffic: 0..1.
    """
    digest = hashlib.sha256(f"{salt}:{unit}".encode()).digest()
    place, side = (int.from_bytes(digest[start : start + _WORD]) / _RANGE for start in (0, _WORD))
    if place >= traffic:
        return None
    return "treatment" if side >= 1 / 2 else "control"
