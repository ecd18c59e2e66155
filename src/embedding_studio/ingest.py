"""`embedding-studio ingest`: ask a running API to pull items in, and watch it do so."""

import os
import time
from collections.abc import Sequence
from typing import Any

import httpx
from rich.console import Console
from rich.markup import escape

from embedding_studio.access import authorization
from embedding_studio.kernel.errors import InvalidError, StudioError, UnavailableError
from embedding_studio.progress import bars

__all__ = ["ingest", "read_options"]

_POLL_S = 0.5
_DEADLINE_S = 30.0
_SHOWN = 10

Json = dict[str, Any]


def read_options(words: Sequence[str]) -> dict[str, str]:
    """`name=value` words as options of a loader.

    Raises:
        InvalidError: A word has no `=`.
    """
    wrong = [word for word in words if "=" not in word]
    if wrong:
        raise InvalidError.at("--option", f"must be name=value, not {wrong[0]!r}")
    return dict(word.split("=", 1) for word in words)


def ingest(url: str, collection: str, *, loader: str, options: dict[str, str], console: Console) -> Json:
    """Start an ingest and show its progress until it ends; the task as it ended.

    Stopping this with Ctrl-C leaves the ingest running.

    Raises:
        StudioError: The API refused.
        UnavailableError: It does not answer.
    """
    with httpx.Client(
        base_url=f"{url.rstrip('/')}/api/v1", headers=authorization(os.environ), timeout=_DEADLINE_S
    ) as http:
        wish = {"loader": loader, "options": options}
        task_id = str(_send(http, "POST", f"/collections/{collection}/ingest", wish)["task_id"])
        try:
            task = _follow(http, task_id, console)
        except KeyboardInterrupt:
            console.print(f"The ingest goes on. Stop it with: curl -X POST {url}/api/v1/tasks/{task_id}/cancel")
            raise
    _tell(task, console)
    return task


def _follow(http: httpx.Client, task_id: str, console: Console) -> Json:
    with bars(console) as progress:
        bar = progress.add_task("waiting", total=None)
        while True:
            task = _send(http, "GET", f"/tasks/{task_id}")
            done, total = task["progress"]["done"], task["progress"]["total"]
            progress.update(bar, description=task["state"], completed=done, total=total or None)
            if task["finished_at"] is not None:
                return task
            time.sleep(_POLL_S)


def _send(http: httpx.Client, method: str, path: str, body: Json | None = None) -> Json:
    try:
        answer = http.request(method, path, json=body)
    except httpx.TransportError as error:
        raise UnavailableError(f"{http.base_url} does not answer: {error}") from error
    if answer.is_error:
        problem = answer.json() if "json" in answer.headers.get("content-type", "") else {}
        raise StudioError(f"{method} {path}: {answer.status_code} {problem.get('detail', answer.text[:200])}")
    return dict(answer.json())


def _tell(task: Json, console: Console) -> None:
    """What failed, and what to do about it."""
    if task["error"]:
        console.print(f"[red]{escape(str(task['error']['detail']))}[/]")
    for item in task["failed_items"][:_SHOWN]:
        console.print(escape(f"{item['id']}: {item['stage']}: {item['reason']}"))
    if task["failed_total"]:
        console.print(
            f"{task['failed_total']:,} items failed. Try them again: POST /api/v1/tasks/{task['id']}/retry",
            highlight=False,
        )
