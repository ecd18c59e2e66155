"""How texts become vectors in this process."""

from pathlib import Path

from pydantic import BaseModel, Field

__all__ = ["InferenceSettings"]


class InferenceSettings(BaseModel):
    """The embedded engine: ONNX Runtime in process."""

    encoders: Path = Field(default=Path("data/encoders"), description="folder of exported encoders")
    threads: int = Field(default=1, ge=1, le=64, description="cores that a search's text may use")
    bulk_threads: int = Field(
        default=2, ge=1, le=64, description="cores that a worker's batch, training or a cross-encoder may use"
    )
    waiting_texts: int = Field(default=512, ge=1, description="texts that may wait; more are refused with 503")
    timeout: float = Field(default=10.0, gt=0, description="seconds a text may wait for its vector")
    waiting_pairs: int = Field(default=200, ge=200, description="texts that may wait to be scored by a cross-encoder")
    score_timeout: float = Field(default=2.0, gt=0, description="seconds a search waits for a cross-encoder's scores")
