"""How much training may take, and where it runs."""

from pathlib import Path

from pydantic import BaseModel, Field

__all__ = ["FineTuningSettings"]


class FineTuningSettings(BaseModel):
    """Training of encoders runs in a process of its own, in a folder from which it can go on."""

    work: Path = Field(default=Path("data/training"), description="folder of trainings under way")
    launcher: list[str] = Field(
        default_factory=list,
        description="what starts a training process instead of Python: `accelerate launch` with its options runs one"
        " for every GPU, on one machine or several",
    )
    seconds: float = Field(default=3600.0, gt=0, description="that a fine-tuning may train, where it does not say")
    memory: int = Field(
        default=16 * 2**30, ge=2**28, description="bytes of main memory that a training process may hold"
    )
    recall_items: int = Field(
        default=5_000, ge=100, description="items, beside those that were shown, that a new encoder is tried on"
    )
