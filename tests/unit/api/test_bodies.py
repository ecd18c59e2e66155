"""Bodies that are too much together, or unfold into too much."""

from collections.abc import Sequence
from typing import Any, cast

import pytest

from embedding_studio.api.bodies import BoundedBodies, Held, refuse_sprawling
from embedding_studio.kernel.errors import TooLargeError, UnavailableError

pytestmark = pytest.mark.anyio

LIMIT = 1_000_000


async def read(held: Held, chunks: Sequence[int], *, meanwhile: Any = None) -> int:
    """Let an endpoint read a body of such chunks; returns how much is held at its end."""
    parts = iter(chunks)

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"x" * next(parts), "more_body": True}

    async def endpoint(_scope: object, receive: Any, _send: object) -> None:
        for _ in chunks:
            await receive()
        if meanwhile:
            await meanwhile()

    app = BoundedBodies(cast("Any", endpoint), held)
    await app(cast("Any", {"type": "http"}), cast("Any", receive), cast("Any", None))
    return held.size


async def test_what_was_held_is_let_go() -> None:
    held = Held(LIMIT)
    assert await read(held, [400_000, 400_000]) == 0
    with pytest.raises(UnavailableError):
        await read(held, [400_000, 400_000, 400_000])
    assert held.size == 0


async def test_large_bodies_wait_for_large_ones_and_small_ones_for_none() -> None:
    held = Held(LIMIT)

    async def others() -> None:
        await read(held, [60_000])
        with pytest.raises(UnavailableError) as refused:
            await read(held, [60_000, 60_000])
        assert refused.value.retry_after > 0

    assert await read(held, [500_000, 490_000], meanwhile=others) == 0
    assert await read(held, [60_000, 60_000]) == 0


@pytest.mark.parametrize("value", [b"[],", b"{},", b'"",', b'{"a":1},', b'"ab",'])
def test_many_small_values(value: bytes) -> None:
    with pytest.raises(TooLargeError):
        refuse_sprawling(b'{"a":[' + value * 4_100_000 + b"0]}")


@pytest.mark.parametrize(
    "body", [b"0.123456," * 7_000_000, b'{"id":"12345","payload":{"title":"x"}},' * 100_000, b"a" * 64_000_000]
)
def test_what_may_be_meant(body: bytes) -> None:
    refuse_sprawling(body)
