"""Tasks on real servers, with a clock that tests turn."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from embedding_studio.infra.jobs import JobQueue
from embedding_studio.tasks import Job, Sweeper, Task, TaskRepository, TaskRunner, TaskService, TaskSettings
from studio import Studio

JOB = Job(kind="optimize", queue="test", max_attempts=3)


@dataclass
class Tasks:
    """The tasks of one test, and the parts that act on them."""

    queue: JobQueue
    settings: TaskSettings = field(default_factory=lambda: TaskSettings(lease=60, resend_after=10, retry_delay=2))
    at: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    repository: TaskRepository = field(default_factory=TaskRepository)

    def clock(self) -> datetime:
        return self.at

    def pass_time(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)

    @property
    def service(self) -> TaskService:
        return TaskService(tasks=self.repository, queue=self.queue, clock=self.clock, settings=self.settings)

    @property
    def runner(self) -> TaskRunner:
        return TaskRunner(tasks=self.repository, clock=self.clock, settings=self.settings)

    @property
    def sweeper(self) -> Sweeper:
        return Sweeper(
            tasks=self.repository,
            service=self.service,
            queue=self.queue,
            queues=[JOB.queue],
            clock=self.clock,
            settings=self.settings,
        )

    async def submit(self) -> str:
        return (await self.service.submit(JOB, collection="tasks-test", total=10)).id

    async def get(self, task_id: str) -> Task:
        return await self.service.get(task_id)


@pytest.fixture
async def tasks(studio: Studio) -> AsyncIterator[Tasks]:
    await Task.find_all().delete()
    yield Tasks(studio.container.queue)
    await TaskRepository().delete_of("tasks-test")
    studio.container.queue._broker.flush("test")
