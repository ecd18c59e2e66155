"""Whether the process lives, and whether it can serve."""

import asyncio
import logging
from collections.abc import Awaitable
from typing import Literal

import msgspec
from litestar import Controller, Response, get
from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.openapi import ResponseSpec

from embedding_studio.access import open_to_all
from embedding_studio.bootstrap import Container, encoder_sources
from embedding_studio.infra.outages import OUTAGES, as_unavailable
from embedding_studio.kernel.errors import UnavailableError

__all__ = ["HealthController", "Live", "Readiness", "check_all"]

logger = logging.getLogger(__name__)

_DEADLINE = 2.0


class Live(msgspec.Struct):
    """The process serves."""

    status: Literal["ok"] = "ok"


class Readiness(msgspec.Struct):
    """What answers, and what does not."""

    status: Literal["ok", "unavailable"]
    checks: dict[str, str]


class HealthController(Controller):
    """Health."""

    path = "/health"
    tags = ("health",)
    opt = open_to_all()

    @get("/live")
    async def live(self) -> Live:
        """Answer as soon as the process serves."""
        return Live()

    @get(
        "/ready",
        responses={503: ResponseSpec(Readiness, generate_examples=False, description="Something needed fails.")},
    )
    async def ready(self, container: NamedDependency[Container], state: State) -> Response[Readiness]:
        """Ask every server that is needed; a process that stops is not ready, whatever they say."""
        if state.get("is_stopping"):
            return Response(Readiness("unavailable", {"process": "stops"}), status_code=503)
        checks = await check_all(container)
        ready = all(answer == "ok" for answer in checks.values())
        return Response(
            Readiness("ok" if ready else "unavailable", checks),
            status_code=200 if ready else 503,
        )


async def check_all(container: Container) -> dict[str, str]:
    """What each server that is needed says: `ok`, or what is wrong."""
    names = ("postgres", "mongo", "redis")
    answers = await asyncio.gather(
        _check(container.pool.fetchval("SELECT 1")),
        _check(container.database.command("ping")),
        _check(container.queue.ping()),
    )
    checks = dict(zip(names, answers, strict=True))
    checks["inference"] = await _check_inference(container)
    return checks


async def _check_inference(container: Container) -> str:
    sources = encoder_sources(container.plugins)
    fetched = await _check(container.encoders.fetch(sources))
    if fetched != "ok":
        return fetched
    if missing := container.encoders.missing(sources):
        return f"not exported yet: {', '.join(one.model for one in missing)}"
    triton = container.encoders.triton
    return "ok" if triton is None or triton.has_fallback else await _check(triton.is_live())


async def _check(answer: Awaitable[object]) -> str:
    try:
        async with asyncio.timeout(_DEADLINE):
            await answer
    except UnavailableError as error:
        return error.detail
    except OUTAGES as error:
        return as_unavailable(error).detail
    except Exception as error:  # the edge: a server may refuse for reasons of its own, such as a full disk
        logger.exception("a health check failed")
        return f"refuses: {type(error).__name__}"
    return "ok"
