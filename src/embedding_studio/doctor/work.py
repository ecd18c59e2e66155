"""Whether work is done: tasks that wait, hang or fail, plugins, encoders and Triton."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta

from embedding_studio.bootstrap import Container, encoder_sources
from embedding_studio.doctor.checks import Check, bad, ok, warn
from embedding_studio.kernel.errors import StudioError
from embedding_studio.tasks import Backlogged, TaskKind

__all__ = ["ROLE_OF", "check_encoders", "check_plugins", "check_tasks", "judge_tasks"]

ROLE_OF: Mapping[TaskKind, str] = {
    "delete": "upsert",
    "deploy": "inference",
    "fine_tune": "finetune",
    "forget": "improve",
    "ingest": "upsert",
    "optimize": "upsert",
    "reindex": "upsert",
    "retire": "inference",
    "upsert": "upsert",
}
"""The worker's role that does tasks of a kind."""

_DAY = timedelta(days=1)


async def check_tasks(container: Container) -> list[Check]:
    """Look at all tasks that are not finished, and at those that failed within a day."""
    at = container.clock()
    patience = timedelta(seconds=4 * container.settings.tasks.resend_after)
    return list(judge_tasks(await container.tasks.backlog(at, patience=patience, since=at - _DAY)))


def judge_tasks(backlog: Sequence[Backlogged]) -> Iterator[Check]:
    """What is wrong, and what is not."""
    idle = {one.queue for one in backlog} - {one.queue for one in backlog if one.alive}
    unserved = [one for one in backlog if one.orphaned or (one.waiting and one.queue in idle)]
    for one in backlog:
        role = ROLE_OF[one.kind]
        start = f"see that a worker runs: embedding-studio worker --role {role}"
        if one.waiting and one.queue in idle:
            yield bad("tasks", f"{one.waiting} of the kind {one.kind} wait, and nobody takes them", start)
        if one.orphaned:
            yield bad("tasks", f"{one.orphaned} of the kind {one.kind} were left by a worker that is gone", start)
        if one.failed:
            yield warn(
                "tasks",
                f"{one.failed} of the kind {one.kind} failed within a day",
                f"GET /api/v1/tasks?kind={one.kind}&state=failed says why; POST /api/v1/tasks/{{id}}/retry",
            )
    if not unserved:
        yield ok("tasks", "none waits for a worker")


def check_plugins(container: Container) -> list[Check]:
    """Look at the plugins that were found."""
    found = container.plugins.found
    broken = [bad("plugins", f"{one.name}: {one.detail}", "repair it") for one in found if one.status == "broken"]
    return broken or [ok("plugins", f"{len(found)} work")]


async def check_encoders(container: Container) -> list[Check]:
    """Look at the exports of the plugins' encoders, and at Triton where it runs them."""
    sources = encoder_sources(container.plugins)
    await container.encoders.fetch(sources)
    missing = [one.model for one in container.encoders.missing(sources)]
    if missing:
        return [bad("encoders", f"not exported: {', '.join(missing)}", "run: embedding-studio export")]
    return [ok("encoders", f"{len(sources)} are exported"), *await _check_triton(container)]


async def _check_triton(container: Container) -> list[Check]:
    triton = container.encoders.triton
    if triton is None:
        return []
    try:
        await triton.is_live()
    except StudioError as error:
        remedy = "see that it runs and that INFERENCE__TRITON__URL is right"
        return (
            [warn("triton", f"{error.detail}; searches are served in process", remedy)]
            if triton.has_fallback
            else [bad("triton", error.detail, remedy)]
        )
    return [ok("triton", "answers")]
