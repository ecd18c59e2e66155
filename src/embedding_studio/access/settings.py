"""Whether keys are required, and for how long what is known of them counts."""

from pydantic import BaseModel, Field

__all__ = ["AccessSettings"]


class AccessSettings(BaseModel):
    """Who may use the API."""

    required: bool = Field(default=False, description="whether requests need a key; without, only the loopback is safe")
    seen_within: float = Field(
        default=5.0, ge=0, le=60, description="seconds within which a revoked key is refused by every process"
    )
    outage: float = Field(
        default=60.0, ge=0, le=3600, description="seconds that a key is believed while MongoDB does not answer"
    )
    rotation_grace: float = Field(
        default=86_400.0, ge=0, le=2_592_000, description="seconds that the former secret works, if not said otherwise"
    )
    audit_days: float = Field(default=365.0, gt=0, le=3650, description="days that an entry of the audit log is kept")
