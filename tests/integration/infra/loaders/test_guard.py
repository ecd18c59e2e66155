"""Addresses as the system's own resolver reads them."""

import httpx
import pytest

from embedding_studio.infra.loaders.guard import Guard
from embedding_studio.kernel.errors import ForbiddenError

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    "host",
    [
        *("2130706433", "0x7f000001", "017700000001", "127.1", "0x7f.1", "0", "localhost", "LOCALHOST."),
        *("[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[0:0:0:0:0:0:0:1]", "2852039166", "0xa9fea9fe"),
    ],
)
async def test_no_spelling_of_this_machine_is_asked(host: str) -> None:
    with pytest.raises(ForbiddenError):
        await Guard(frozenset({"*"})).address(httpx.URL(f"http://{host}/"))
