"""Query groups to train, dev and gate; no group, and no near-duplicate of one, is in two of them."""

from collections.abc import Iterable
from hashlib import blake2b
from typing import Literal

__all__ = ["Split", "near_duplicate_key", "split", "split_of"]

Split = Literal["train", "dev", "gate"]

_DEV_FROM, _GATE_FROM = 0.6, 0.7
_DIGEST_BYTES = 8


def near_duplicate_key(group: str) -> str:
    """What queries of the same words have in common, whatever the words' order and number."""
    return " ".join(sorted(set(group.split())))


def split_of(group: str, *, salt: str) -> Split:
    """The split of a group: 60 % train, 10 % dev, 30 % gate.

    Args:
        group: A normalised query.
        salt: Another salt draws the splits anew; so a gate that was looked at is never looked at again. At most 64
            bytes in UTF-8.
    """
    key = near_duplicate_key(group).encode()
    digest = blake2b(key, key=salt.encode(), digest_size=_DIGEST_BYTES).digest()
    share = int.from_bytes(digest, "big") / 2 ** (8 * _DIGEST_BYTES)
    if share >= _GATE_FROM:
        return "gate"
    return "dev" if share >= _DEV_FROM else "train"


def split(groups: Iterable[str], *, salt: str) -> dict[Split, tuple[str, ...]]:
    """Every distinct group in its split, sorted."""
    parts: dict[Split, list[str]] = {"train": [], "dev": [], "gate": []}
    for group in sorted(set(groups)):
        parts[split_of(group, salt=salt)].append(group)
    return {name: tuple(part) for name, part in parts.items()}
