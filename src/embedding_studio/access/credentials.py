"""What a key looks like: `es_<id>_<secret>`, of which the id is public and the secret is kept by its holder alone."""

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

__all__ = [
    "KEY_VARIABLE",
    "Credential",
    "authorization",
    "digest",
    "is_one_of",
    "new_credential",
    "read_credential",
]

KEY_VARIABLE = "EMBEDDING_STUDIO_KEY"
"""The environment variable of the key that commands send, those that ask a running API."""

_ID_BYTES = 8
_SECRET_BYTES = 32
_FORM = re.compile(r"es_(?P<id>[0-9a-f]{16})_(?P<secret>[A-Za-z0-9_-]{43})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Credential:
    """The two halves of a key."""

    id: str
    secret: str

    @property
    def text(self) -> str:
        """The key as its holder sends it."""
        return f"es_{self.id}_{self.secret}"

    def __repr__(self) -> str:
        return f"Credential(id={self.id!r})"


def new_credential(key_id: str | None = None) -> Credential:
    """A key with 256 random bits; with a new id if none is given."""
    return Credential(key_id or secrets.token_hex(_ID_BYTES), secrets.token_urlsafe(_SECRET_BYTES))


def read_credential(text: str) -> Credential | None:
    """The halves of a key; None if the text has not the form of one."""
    found = _FORM.fullmatch(text)
    return Credential(found["id"], found["secret"]) if found else None


def digest(secret: str) -> str:
    """What is stored of a secret.

    One SHA-256 is enough: nobody tries all of 256 random bits, so there is no guessing to be made slow, as there is
    with passwords that people choose. A slow hash would only make every request slow.
    """
    return hashlib.sha256(secret.encode("ascii")).hexdigest()


def is_one_of(secret: str, digests: Iterable[str]) -> bool:
    """Whether the secret has one of the digests; how long that takes does not tell how near it came, or to which."""
    ours = digest(secret)
    matches = [hmac.compare_digest(ours, one) for one in digests]
    return any(matches)


def authorization(environment: Mapping[str, str]) -> dict[str, str]:
    """The headers with which commands ask an API: with the key of the environment, if there is one."""
    key = environment.get(KEY_VARIABLE)
    return {"Authorization": f"Bearer {key}"} if key else {}
