"""What a run of the demo found out."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from embedding_studio.simulation.quality import Estimate

__all__ = ["Curve", "Day", "DemoReport", "Hit", "SideBySide"]


@dataclass(frozen=True, slots=True)
class Curve:
    """nDCG@10 at one time, on each kind of queries.

    Attributes:
        seen: On queries that users ask and click.
        never_clicked: On queries that nobody asks.
        held_out_words: On those of the latter with a word that no clicked query has.
    """

    seen: Estimate
    never_clicked: Estimate
    held_out_words: Estimate


@dataclass(frozen=True, slots=True)
class Day:
    """One simulated day and the fine-tuning after it.

    Attributes:
        number: From 1.
        sessions: Searches of the day.
        events: Clicks of the day that the API counted.
        gate: The decision with its reasons, as the API gave them.
        gate_gain: The gain in nDCG@10 that the gate saw on clicks, with its 95 % interval; None if it saw none.
        model_version: What serves after the day.
        mlflow_run_id: Of the day's training.
        curve: What is served after the day.
    """

    number: int
    sessions: int
    events: int
    gate: Mapping[str, Any]
    gate_gain: Estimate | None
    model_version: int
    mlflow_run_id: str | None
    curve: Curve

    @property
    def decision(self) -> str:
        """`promote`, `reject` or `not_enough_evidence`."""
        return str(self.gate["decision"])


@dataclass(frozen=True, slots=True)
class Hit:
    """A film in a result list."""

    title: str
    facts: str
    relevant: bool


@dataclass(frozen=True, slots=True)
class SideBySide:
    """One never-clicked query's results before and after.

    Attributes:
        rank: Where the query's gain stands among all: `better than 95 % of the queries`.
    """

    query: str
    rank: str
    ndcg_before: float
    ndcg_after: float
    before: Sequence[Hit]
    after: Sequence[Hit]


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoReport:
    """A run of the demo.

    Attributes:
        queries: How many, by kind.
        before: Before the first day.
        gain: Last day over `before`, paired by query.
        seconds: By step, and in `total`.
        peak_memory_mb: Of all processes together; None where it could not be watched.
    """

    seed: int
    shuffled_clicks: bool
    items: int
    queries: Mapping[str, int]
    before: Curve
    gain: Curve
    days: Sequence[Day]
    lists: Sequence[SideBySide]
    seconds: Mapping[str, float]
    peak_memory_mb: float | None

    @property
    def after(self) -> Curve:
        """What is served in the end."""
        return self.days[-1].curve

    @property
    def deciding_day(self) -> Day:
        """The last day whose model was promoted; if none was, the last day."""
        return next((day for day in reversed(self.days) if day.decision == "promote"), self.days[-1])

    def as_json(self) -> dict[str, Any]:
        """The figures; those without a prefix are about never-clicked queries."""
        gain = self.gain.never_clicked
        return {
            "users": "simulated users",
            "seed": self.seed,
            "shuffled_clicks": self.shuffled_clicks,
            "items": self.items,
            "queries": sum(self.queries.values()),
            "queries_by_kind": dict(self.queries),
            "sessions": sum(day.sessions for day in self.days),
            "events": sum(day.events for day in self.days),
            "ndcg10_before": self.before.never_clicked.mean,
            "ndcg10_after": self.after.never_clicked.mean,
            "delta": gain.mean,
            "delta_ci95": [gain.low, gain.high],
            "held_out_words": _change(self.before.held_out_words, self.after.held_out_words, self.gain.held_out_words),
            "seen": _change(self.before.seen, self.after.seen, self.gain.seen),
            "gate": {"day": self.deciding_day.number, **self.deciding_day.gate},
            "mlflow_run_id": self.deciding_day.mlflow_run_id,
            "days": [asdict(day) for day in self.days],
            "seconds": {name: round(seconds, 2) for name, seconds in self.seconds.items()},
            "peak_memory_mb": self.peak_memory_mb,
        }


def _change(before: Estimate, after: Estimate, gain: Estimate) -> dict[str, Any]:
    return {
        "ndcg10_before": before.mean,
        "ndcg10_after": after.mean,
        "delta": gain.mean,
        "delta_ci95": [gain.low, gain.high],
    }
