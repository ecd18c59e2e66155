"""Idempotency keys."""

import pytest

from embedding_studio.kernel.errors import InvalidError
from embedding_studio.tasks import Idempotency


@pytest.mark.parametrize("key", ["", "x" * 256, "a\nb", "a\0", "\x7f"])
def test_a_key_is_short_printable_text(key: str) -> None:
    with pytest.raises(InvalidError) as caught:
        Idempotency(key, "POST /items", b"")
    assert caught.value.errors[0].field == "Idempotency-Key"


def test_the_body_decides_whether_a_request_is_the_same() -> None:
    one, same, other = (Idempotency("k", "POST /items", body).fingerprint for body in (b"a", b"a", b"b"))
    assert one == same != other
