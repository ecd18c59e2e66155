"""Until when and how often sessions may be answered."""

from typing import Self

from pydantic import BaseModel, Field, model_validator

__all__ = ["ClickstreamSettings"]


class ClickstreamSettings(BaseModel):
    """Times in seconds."""

    open_for: float = Field(
        default=86_400.0, gt=0, le=3_153_600_000, description="so long after it began, a session takes events"
    )
    clock_tolerance: float = Field(
        default=300.0, ge=0, le=86_400, description="how far the clocks of senders may be ahead of ours or behind"
    )
    kept: float = Field(
        default=400 * 86_400.0, ge=0, description="so long sessions and their events are kept; 0: for ever"
    )
    events_per_session: int = Field(default=1_000, ge=1, le=10_000, description="more events are rejected")

    @model_validator(mode="after")
    def _takes_events_while_kept(self) -> Self:
        if 0 < self.kept < self.open_for:
            raise ValueError("kept must not be less than open_for: sessions that take events would go")
        return self
