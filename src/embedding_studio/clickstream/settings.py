"""Until when and how often sessions may be answered."""

from pydantic import BaseModel, Field

__all__ = ["ClickstreamSettings"]


class ClickstreamSettings(BaseModel):
    """Times in seconds."""

    open_for: float = Field(
        default=86_400.0, gt=0, le=3_153_600_000, description="so long after it began, a session takes events"
    )
    clock_tolerance: float = Field(
        default=300.0, ge=0, le=86_400, description="how far the clocks of senders may be ahead of ours or behind"
    )
    events_per_session: int = Field(default=1_000, ge=1, le=10_000, description="more events are rejected")
