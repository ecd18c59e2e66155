"""How much of the machine shadows may have."""

from pydantic import BaseModel, Field

__all__ = ["ShadowSettings"]


class ShadowSettings(BaseModel):
    """Of each API process."""

    at_once: int = Field(default=1, ge=1, le=100, description="mirrored searches that run at a time")
    waiting: int = Field(default=50, ge=1, le=10_000, description="that run or wait; more are dropped, and counted")
    deadline: float = Field(default=2.0, gt=0, le=60, description="seconds after which a candidate's answer is late")
    kept: int = Field(default=10_000, ge=100, le=100_000, description="newest comparisons of a shadow that are kept")
    keep_days: float = Field(default=30.0, gt=0, le=3_650, description="days after which a comparison is deleted")
