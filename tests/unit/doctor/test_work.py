"""What the doctor says of tasks."""

from typing import get_args

from embedding_studio.doctor.work import ROLE_OF, judge_tasks
from embedding_studio.tasks import Backlogged, TaskKind

from .wrong import wrong


def backlogged(kind: TaskKind = "upsert", queue: str = "upsert", **counts: int) -> Backlogged:
    return Backlogged(kind, queue, **({"waiting": 0, "alive": 0, "orphaned": 0, "failed": 0} | counts))


def test_a_queue_without_a_worker_is_found_by_what_waits_in_it() -> None:
    ((severity, found),) = wrong(judge_tasks([backlogged(waiting=3)]))
    assert (severity, found) == ("bad", "3 of the kind upsert wait, and nobody takes them")
    (check,) = [one for one in judge_tasks([backlogged("deploy", "inference", waiting=1)]) if one.severity == "bad"]
    assert "--role inference" in check.remedy


def test_what_waits_behind_other_work_is_not_forgotten() -> None:
    assert wrong(judge_tasks([backlogged("delete", waiting=3), backlogged(alive=1)])) == []


def test_tasks_of_dead_workers_and_failed_ones_are_found() -> None:
    assert [one for one, _ in wrong(judge_tasks([backlogged(orphaned=1)]))] == ["bad"]
    assert [one for one, _ in wrong(judge_tasks([backlogged(failed=1)]))] == ["warn"]


def test_every_kind_has_a_role() -> None:
    assert set(ROLE_OF) == set(get_args(TaskKind))
