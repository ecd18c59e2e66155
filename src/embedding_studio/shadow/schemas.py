"""Shadows on the wire."""

from datetime import datetime
from typing import Annotated, Any

import msgspec

from embedding_studio.experiments import Arm, RankingOverrides
from embedding_studio.shadow.models import MirroredSearch, Shadow
from embedding_studio.shadow.reporting import Side, Summary
from embedding_studio.shadow.service import ShadowReport

__all__ = ["DifferenceView", "ShadowIn", "ShadowReportView", "ShadowRow", "SideView", "SummaryView"]


class ShadowIn(msgspec.Struct, forbid_unknown_fields=True):
    """A wish for a shadow."""

    model_version: Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]
    share: Annotated[float, msgspec.Meta(ge=0, le=1)]
    ranking: RankingOverrides = RankingOverrides()

    def to_domain(self) -> Arm:
        """What the candidate serves."""
        return Arm(model_version=self.model_version, ranking=msgspec.to_builtins(self.ranking))


class ShadowRow(msgspec.Struct, kw_only=True):
    """A shadow, and what became of the searches that were mirrored to it.

    `searches` were compared; of others the candidate `failed` or was `late`, or they were `dropped` because too many
    waited.
    """

    model_version: int
    ranking: dict[str, Any]
    share: float
    started_at: datetime
    searches: int
    failed: int
    late: int
    dropped: int
    last_failure: str | None

    @classmethod
    def of(cls, shadow: Shadow) -> "ShadowRow":
        """The document as clients see it."""
        return cls(**_fields(shadow))


class SideView(msgspec.Struct):
    """How one side answers: times of ranking, without facets, and the share of searches that find nothing."""

    p50_ms: float
    p95_ms: float
    empty: float

    @classmethod
    def of(cls, side: Side) -> "SideView":
        """The side as clients see it."""
        return cls(side.p50_ms, side.p95_ms, side.empty)


class SummaryView(
    msgspec.Struct, rename={"overlap": "overlap@10", "rbo": "rbo@10"}, kw_only=True
):  # names of metrics, as elsewhere
    """The comparisons that are kept, with the model that serves now."""

    searches: int
    overlap: float
    rbo: float
    same_first: float
    live: SideView
    candidate: SideView

    @classmethod
    def of(cls, summary: Summary) -> "SummaryView":
        """The summary as clients see it."""
        return cls(
            searches=summary.searches,
            overlap=summary.overlap,
            rbo=summary.rbo,
            same_first=summary.same_first,
            live=SideView.of(summary.live),
            candidate=SideView.of(summary.candidate),
        )


class DifferenceView(msgspec.Struct, rename={"overlap": "overlap@10", "rbo": "rbo@10"}):
    """A search whose answers differ."""

    query: str | None
    at: datetime
    live: list[str]
    candidate: list[str]
    overlap: float
    rbo: float

    @classmethod
    def of(cls, row: MirroredSearch) -> "DifferenceView":
        """The comparison as clients see it."""
        return cls(row.query, row.at, list(row.live), list(row.candidate), row.overlap, row.rbo)


class ShadowReportView(ShadowRow, kw_only=True):
    """A shadow, how it compares with the model that serves now, and the searches whose answers are least alike."""

    live_model_version: int
    compared: SummaryView | None
    differing: list[DifferenceView]

    @classmethod
    def of_report(cls, report: ShadowReport) -> "ShadowReportView":
        """The report as clients see it."""
        return cls(
            **_fields(report.shadow),
            live_model_version=report.live_model,
            compared=SummaryView.of(report.summary) if report.summary else None,
            differing=[DifferenceView.of(row) for row in report.differing],
        )


def _fields(shadow: Shadow) -> dict[str, Any]:
    taken = ("model_version", "ranking", "share", "started_at", "failed", "late", "dropped", "last_failure")
    return {"searches": shadow.compared, **{name: getattr(shadow, name) for name in taken}}
