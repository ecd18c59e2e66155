"""The application in this process, on real servers, with a client and hands to do the workers' work."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast

import httpx

from embedding_studio.api import create_app
from embedding_studio.bootstrap import Container
from embedding_studio.settings import Settings
from embedding_studio.tasks import Handler, Job
from embedding_studio.worker import ROLES

__all__ = ["Studio", "open_studio"]

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Studio:
    """The API and what is behind it.

    No worker runs: a test does a task's work when it wants, with `work`.
    """

    client: httpx.AsyncClient
    container: Container
    handlers: Mapping[str, tuple[Job, Handler]]

    async def create(self, name: str, plugin: str = "text", **fields: object) -> Json:
        """Make a collection; tests that held the loop for minutes before make the driver take MongoDB for lost once."""
        body = {"name": name, "plugin": plugin, **fields}
        answer = await self.client.post("/api/v1/collections", json=body)
        if answer.status_code == 503:
            answer = await self.client.post("/api/v1/collections", json=body)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    async def add(self, name: str, items: Sequence[Json]) -> Json:
        """Post the items and do the work; returns the finished task."""
        answer = await self.client.post(f"/api/v1/collections/{name}/items", json={"items": items})
        assert answer.status_code == 202, answer.text
        return await self.work(answer.json()["task_id"])

    async def work(self, task_id: str) -> Json:
        """Do a task's work as a worker would; returns the task."""
        job, handler = self.handlers[(await self.task(task_id))["kind"]]
        await self.container.runner.run(job, handler, task_id)
        return await self.task(task_id)

    async def task(self, task_id: str) -> Json:
        return dict((await self.client.get(f"/api/v1/tasks/{task_id}")).json())

    async def search(self, name: str, **fields: object) -> Json:
        answer = await self.client.post(f"/api/v1/collections/{name}/search", json=fields)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())


@asynccontextmanager
async def open_studio(settings: Settings) -> AsyncIterator[Studio]:
    app = create_app(settings)
    async with (
        app.lifespan(),
        httpx.AsyncClient(transport=httpx.ASGITransport(cast("Any", app)), base_url="http://localhost") as client,
    ):
        container: Container = app.state.container
        jobs: dict[str, tuple[Job, Handler]] = {
            job.kind: (job, handler) for role in ROLES.values() for job, handler in role(container).items()
        }
        yield Studio(client, container, jobs)
