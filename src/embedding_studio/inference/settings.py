"""How texts become vectors in this process."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field

__all__ = ["InferenceSettings", "TritonSettings"]


class TritonSettings(BaseModel):
    """Where the Tritons are, and how models are laid into their repository."""

    url: str = Field(
        default="127.0.0.1:8001",
        pattern=r"^[^\s,]+:\d{1,5}(,[^\s,]+:\d{1,5})*$",
        description="host:port of its gRPC service; of several, with commas, or a name that resolves to all of them",
    )
    ssl: bool = False
    channels: int = Field(default=2, ge=1, le=64, description="connections that requests take turns on")
    timeout: float = Field(default=5.0, gt=0, description="seconds an inference may take, in Triton's queue and out")
    load_timeout: float = Field(default=120.0, gt=0, description="seconds a model may take to load")
    repository: Path = Field(
        default=Path("data/triton"), description="Triton's model repository, which the inference workers write"
    )
    backend: Literal["onnxruntime", "python"] = Field(
        default="onnxruntime", description="python: for a Triton without the onnxruntime backend"
    )
    device: Literal["cpu", "gpu"] = "cpu"
    instances: int = Field(
        default=2,
        ge=1,
        le=64,
        description="copies of a model that run at a time; with one, Triton lets a query wait half a second at times",
    )
    model_threads: int = Field(default=1, ge=1, le=64, description="cores that one copy may use")
    waiting: int = Field(default=512, ge=1, description="requests that may wait in Triton's queue")
    at_once: int = Field(default=2, ge=1, le=64, description="batches of one process that Triton has at a time")
    manages: bool = Field(
        default=False, description="load and retire models; the inference workers do, whatever is said here"
    )
    fallback: bool = Field(default=False, description="embed in process where Triton cannot, instead of refusing")
    retire_after: float = Field(default=60.0, ge=0, description="seconds that a model nobody needs stays loaded")


class InferenceSettings(BaseModel):
    """Which engine runs the encoders, and how long texts may wait for it."""

    engine: Literal["onnx", "triton"] = Field(default="onnx", description="ONNX Runtime in process, or Triton")
    triton: TritonSettings = Field(default_factory=TritonSettings)
    encoders: Path = Field(default=Path("data/encoders"), description="folder of exported encoders")
    threads: int = Field(default=1, ge=1, le=64, description="cores that a search's text may use")
    spinning: bool = Field(
        default=False,
        description="threads wait by spinning: faster alone, but between two searches they take cores from PostgreSQL",
    )
    bulk_threads: int = Field(
        default=2, ge=1, le=64, description="cores that a worker's batch, training or a cross-encoder may use"
    )
    batch_tokens: int = Field(default=1_024, ge=1, description="of texts that are embedded together, padding included")
    batch_delay: float = Field(
        default=0.0, ge=0, le=0.1, description="seconds that a text waits for others while the engine is idle"
    )
    cached_queries: int = Field(default=10_000, ge=0, description="vectors of queries that are kept; 0: none")
    waiting_texts: int = Field(default=512, ge=1, description="texts that may wait; more are refused with 503")
    timeout: float = Field(default=10.0, gt=0, description="seconds a text may wait for its vector")
    waiting_pairs: int = Field(default=200, ge=200, description="texts that may wait to be scored by a cross-encoder")
    score_timeout: float = Field(default=2.0, gt=0, description="seconds a search waits for a cross-encoder's scores")
