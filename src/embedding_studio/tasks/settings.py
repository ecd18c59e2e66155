"""How tasks are leased, swept and kept."""

from pydantic import BaseModel, Field

__all__ = ["TaskSettings"]


class TaskSettings(BaseModel):
    """Times in seconds."""

    lease: float = Field(default=20.0, gt=0, description="after this long without a heartbeat a worker counts as dead")
    sweep_every: float = Field(default=5.0, gt=0, description="how often lost and orphaned tasks are looked for")
    resend_after: float = Field(default=15.0, gt=0, description="a task waiting this long is sent again")
    retry_delay: float = Field(default=2.0, gt=0, description="before the second attempt; doubles with each")
    drain: float = Field(
        default=5.0, ge=0, le=3_600, description="so long a task may go on when its worker is to stop, to finish"
    )
    kept: float = Field(default=90 * 86_400.0, ge=0, description="so long tasks are kept after they ended; 0: for ever")
    wait_limit: float = Field(default=30.0, gt=0, le=60, description="how long a request may wait for its task")
