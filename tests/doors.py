"""The application with keys required, on the studio that all tests share."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import httpx
from litestar import Litestar

from embedding_studio.access import AccessSettings, Role
from embedding_studio.api import create_app
from embedding_studio.api.auth import Door
from studio import Studio

__all__ = ["bearer", "client_of", "guarded_app", "new_key"]


def guarded_app(studio: Studio, **settings: Any) -> Litestar:
    """An application that requires keys; what is behind it is the studio's. Settings are those of `api`."""
    container = studio.container
    api = container.settings.api.model_copy(update=settings)
    app = create_app(container.settings.model_copy(update={"access": AccessSettings(required=True), "api": api}))
    app.state.container = container
    app.state.door = Door(keyring=container.keyring, rates=container.rates, audit=container.audit, required=True)
    return app


@asynccontextmanager
async def client_of(app: Litestar, **options: Any) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(cast("Any", app), client=("203.0.113.7", 4711))
    async with httpx.AsyncClient(transport=transport, base_url="http://search.example.org", **options) as client:
        yield client


async def new_key(studio: Studio, role: Role, **fields: Any) -> dict[str, str]:
    """The headers of a new key."""
    _, text = await studio.container.keys.create(role, **fields)
    return bearer(text)


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}
