"""Experiments as MongoDB documents."""

from datetime import datetime
from typing import Any, ClassVar

import msgspec
from beanie import Document
from pydantic import BaseModel, Field
from pymongo import ASCENDING, DESCENDING, IndexModel

from embedding_studio.experiments.domain import Kind, Promote, State, Unit, Variant
from embedding_studio.experiments.overrides import RankingOverrides

__all__ = ["Arm", "Experiment", "StopRule"]


class StopRule(BaseModel):
    """When an experiment ends.

    Attributes:
        max_sessions: It is stopped, undecided, once it has as many; None: only by somebody.
        min_sessions: Before as many, nothing is decided.
        alpha: The probability of a decision where there is no difference.
    """

    max_sessions: int | None = None
    min_sessions: int = 0
    alpha: float = 0.05


class Arm(BaseModel):
    """What one side of an experiment serves; `ranking` are its `RankingOverrides`."""

    model_version: int
    ranking: dict[str, Any] = Field(default_factory=dict)

    @property
    def overrides(self) -> RankingOverrides:
        """What it does otherwise than the collection."""
        return msgspec.convert(self.ranking, RankingOverrides)


class Experiment(Document):
    """Two arms between which searches of a collection are divided. No count of anybody's searches is kept here.

    Attributes:
        salt: Spreads units over the variants.
        is_live: Whether it is being prepared or runs; a collection has one such experiment.
        promote: Whether the treatment is deployed by itself if it is decided for.
        decision: Which arm proved better.
        reason: Why it ended.
        build_task: The last task that was asked for an index of an arm.
        promoted: The arm that is to be deployed.
        owes_promotion: Whether that is still to be asked for.
        deploy_task: The task that deploys it; None: it served already.
    """

    id: str  # type: ignore[assignment]  # Beanie declares an optional ObjectId; ours are strings, always set
    collection: str
    collection_id: int
    name: str
    kind: Kind
    control: Arm
    treatment: Arm
    traffic: float
    unit: Unit
    stop: StopRule
    promote: Promote = "never"
    salt: str
    state: State = "preparing"
    is_live: bool = True
    decision: Variant | None = None
    reason: str | None = None
    build_task: str | None = None
    promoted: Variant | None = None
    owes_promotion: bool = False
    deploy_task: str | None = None
    created_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None

    @property
    def holder(self) -> str:
        """The name by which it holds the indexes of its arms."""
        return f"experiment:{self.id}"

    @property
    def arms(self) -> dict[Variant, Arm]:
        """Both arms."""
        return {"control": self.control, "treatment": self.treatment}

    class Settings:
        """Collection and indexes."""

        name = "experiments"
        indexes: ClassVar = [
            IndexModel(
                [("collection_id", ASCENDING)],
                name="one_live",
                unique=True,
                partialFilterExpression={"is_live": True},
            ),
            IndexModel([("collection", ASCENDING), ("_id", DESCENDING)]),
            IndexModel([("is_live", ASCENDING), ("_id", ASCENDING)]),
            IndexModel([("owes_promotion", ASCENDING)], partialFilterExpression={"owes_promotion": True}),
        ]
