"""What cannot be looked at is a finding too."""

import pytest

from embedding_studio.doctor.checks import Check, reached
from embedding_studio.kernel.errors import UnavailableError

pytestmark = pytest.mark.anyio


async def test_a_server_that_does_not_answer_is_a_finding_without_addresses() -> None:
    async def refuse(error: Exception) -> list[Check]:
        raise error

    for error in (UnavailableError("down"), OSError("10.0.0.1"), RuntimeError("secret")):
        (check,) = await reached("redis", refuse(error), "REDIS__URL")
        assert check.severity == "bad"
        assert "REDIS__URL" in check.remedy
        assert "10.0" not in check.found
        assert "secret" not in check.found
