"""A process tells whoever started it that it is ready."""

import asyncio
import socket
from pathlib import Path

import pytest

from embedding_studio.infra.notify import ReadySignal, notify_ready

pytestmark = pytest.mark.anyio


async def test_a_child_is_heard() -> None:
    with ReadySignal() as ready:
        waiting = asyncio.create_task(ready.wait())
        notify_ready({"NOTIFY_SOCKET": ready.name})
        await asyncio.wait_for(waiting, 10)


async def test_other_news_are_not_readiness() -> None:
    with ReadySignal() as ready, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as child:
        child.sendto(b"STATUS=loading", f"\0{ready.name[1:]}")
        waiting = asyncio.create_task(ready.wait())
        await asyncio.wait({waiting}, timeout=0.05)
        assert not waiting.done()
        child.sendto(b"STATUS=loaded\nREADY=1", f"\0{ready.name[1:]}")
        await asyncio.wait_for(waiting, 10)


def test_a_socket_file_is_told_as_systemd_names_it(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        notify_ready({"NOTIFY_SOCKET": str(tmp_path / "notify")})
        assert listening.recv(100) == b"READY=1"


def test_nobody_is_told_where_nobody_asks() -> None:
    notify_ready({})
