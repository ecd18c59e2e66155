"""What people are told when something does not answer."""

import errno

import pytest

from embedding_studio.infra.outages import as_unavailable


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_called_so(number: int) -> None:
    assert "no space left" in as_unavailable(OSError(number, "full")).detail


def test_what_refuses_a_connection_does_not_answer() -> None:
    assert as_unavailable(ConnectionRefusedError(errno.ECONNREFUSED, "10.0.0.1")).detail == (
        "a server we need does not answer"
    )
