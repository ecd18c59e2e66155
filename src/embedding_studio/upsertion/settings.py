"""How items wait, fail and move to new indexes."""

from pydantic import BaseModel, Field

__all__ = ["UpsertionSettings"]


class UpsertionSettings(BaseModel):
    """Sizes in items, times in seconds."""

    waiting_items: int = Field(
        default=500_000, ge=10_000, description="more than so many waiting to be indexed, and new ones are answered 503"
    )
    bulk_from: int = Field(default=100, ge=1, description="requests of so many items may wait behind smaller ones")
    failed_kept: float = Field(default=7 * 86_400.0, gt=0, description="how long failed items can be tried again")
    verified_items: int = Field(default=100, ge=1, description="items a new index is checked with before it serves")
    verified_recall: float = Field(
        default=0.9, ge=0, le=1, description="of the ten nearest, that a new index must find on average"
    )
