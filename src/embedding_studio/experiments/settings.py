"""How experiments are read and guarded."""

from pydantic import BaseModel, Field

__all__ = ["ExperimentSettings"]


class ExperimentSettings(BaseModel):
    """Times in seconds; bounds are of the treatment against the control."""

    settle: float = Field(
        default=0.0, ge=0, le=86_400, description="sessions younger than this do not count yet: clicks may come"
    )
    history: float = Field(
        default=14 * 86_400.0,
        ge=0,
        le=400 * 86_400,
        description="so long before an experiment of users, their searches make its estimates sharper; 0: never",
    )
    effort: float = Field(
        default=0.05, gt=0, le=1, description="share of the time that a worker may spend on reading experiments"
    )
    horizon: int = Field(
        default=10_000, ge=100, description="sessions at which intervals are tightest, where there is no max_sessions"
    )
    slower: float = Field(
        default=1.25, gt=1, le=100, description="an experiment is stopped when searches take so many times as long"
    )
    emptier: float = Field(
        default=0.02, gt=0, le=1, description="or when the share of searches that find nothing is higher by so much"
    )
