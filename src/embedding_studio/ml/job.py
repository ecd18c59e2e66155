"""What the process that trains an encoder is given, and what it leaves: a folder of JSON and safetensors."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import msgspec
import numpy as np
import numpy.typing as npt
from safetensors.numpy import load_file, save_file

from embedding_studio.kernel.encoder import Precision
from embedding_studio.ml.pairs import Pairs

__all__ = [
    "LEARNING_RATES",
    "TWIN",
    "EncoderConfig",
    "EncoderData",
    "EncoderJob",
    "EncoderResult",
    "Point",
    "read_job",
    "read_result",
    "write_job",
]

Floats = npt.NDArray[np.float32]

_PAIRS = ("train", "dev", "dev_shown")

LEARNING_RATES: Mapping[Literal["query_encoder", "both_encoders"], float] = MappingProxyType(
    {"query_encoder": 1e-4, "both_encoders": 2e-5}
)
"""By track, where nothing else is asked for.

In three epochs on 710 judged pairs of SciFact, with a batch's items as negatives, queries gained -.000 nDCG@10 at 2e-5
and +.018 at 1e-4, on 269 queries left out. Where both sides move (one epoch, titles alone), 1e-4 moved queries four
times as far as 2e-5 and gained no more: +.002 and +.004.
"""


TWIN = "twin"
"""The folder beside `model` that holds the encoder in float32 of which an int8 one was made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderConfig:
    """How to train an encoder.

    Attributes:
        epochs: Passes over the training pairs, at most.
        batch_size: Pairs a step, and a process.
        learning_rate: Of AdamW at its highest; it rises over the first tenth of the steps and falls linearly to 0.
        patience: Evaluations in a row, each shown to be worse than the best on dev, after which training stops.
        evaluations: How often dev is looked at in an epoch.
        lora_rank: Of low-rank updates of the attention's and the feed-forward layers (Hu et al. 2021); None: all
            weights are trained.
        scale: Of the cosines in the loss: one over the temperature; None: the loss's own.
        anchor: Weight of the term that holds vectors near where they started; None: the loss's own.
        seed: Of everything that is drawn.
        threads: Cores used.
        seconds: After which training stops and the best point so far is taken.
        memory: Bytes that the process may hold; past them it gives up.
        precision: Of what serves; training goes on in float32 whatever it is.
    """

    epochs: int = 3
    batch_size: int = 32
    learning_rate: float = 2e-5
    patience: int = 4
    evaluations: int = 2
    lora_rank: int | None = None
    scale: float | None = None
    anchor: float | None = None
    seed: int = 0
    threads: int = 1
    seconds: float = 3600.0
    memory: int = 16 * 2**30
    precision: Precision = "fp32"


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderJob:
    """What to train.

    Attributes:
        track: `query_encoder` trains queries against the items' vectors as they are, `both_encoders` both sides.
        model: A name as `sources.locate` reads it, or a folder of weights.
        source: What the description of the new encoder says it came from.
        query_prompt: Put before every query.
        item_prompt: Put before every item text.
        config: How.
        loss: Kind and settings, as a plugin's part gives them.
        sampler: Which pairs come together in a batch.
    """

    track: Literal["query_encoder", "both_encoders"]
    model: str
    source: str
    query_prompt: str = ""
    item_prompt: str = ""
    config: EncoderConfig = field(default_factory=EncoderConfig)
    loss: Mapping[str, Any] = field(default_factory=lambda: {"kind": "softmax"})
    sampler: str = "one_a_query"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EncoderData:
    """What to train on and what to choose by.

    Attributes:
        queries: Texts.
        items: Texts; empty where items are not encoded and no teacher reads them.
        item_vectors: Of the items as the index holds them, float32 (items, dimensions).
        start: Of the queries as the version that training begins from makes them, float32 (queries, dimensions).
        train: Pairs; the weight is the pair's in the loss.
        gains: Of the training pairs, float32 (pairs,), from -1 to 1.
        dev: Pairs of other queries; the weight is the gain.
        dev_shown: What the dev queries were shown.
        down: A of an adapter behind the encoder, float32 (rank, dimensions), or of rank 0.
        up: B of it, float32 (dimensions, rank).
    """

    queries: list[str]
    items: list[str]
    item_vectors: Floats
    start: Floats
    train: Pairs
    gains: Floats
    dev: Pairs
    dev_shown: Pairs
    down: Floats
    up: Floats

    def __post_init__(self) -> None:
        for name in _PAIRS:
            getattr(self, name).check(queries=len(self.queries), items=len(self.item_vectors))

    @property
    def has_adapter(self) -> bool:
        """Whether an adapter stands behind the encoder."""
        return len(self.down) > 0


@dataclass(frozen=True, slots=True)
class Point:
    """Dev after some steps: nDCG@10 of each dev query, and the mean loss since the point before."""

    step: int
    ndcg: tuple[float, ...]
    loss: float | None = None


@dataclass(frozen=True, slots=True)
class EncoderResult:
    """How training went.

    Attributes:
        curve: The points, the first before any step.
        chosen: Position in the curve of the point whose weights these are.
        canary_difference: Largest difference of a number between the chosen point's canaries and the exported model's.
        examples_per_second: Training pairs, evaluations left out.
        device: Where it ran.
        resumed_from: The step of the checkpoint that training went on from; None: it began anew.
    """

    curve: tuple[Point, ...]
    chosen: int
    canary_difference: float
    examples_per_second: float
    device: str
    resumed_from: int | None = None


def write_job(folder: Path, job: EncoderJob, data: EncoderData) -> str:
    """Write the job into a folder; returns a digest that differs where jobs differ in more than their bounds."""
    texts = msgspec.json.encode({"queries": data.queries, "items": data.items})
    arrays = {"item_vectors": data.item_vectors, "start": data.start, "down": data.down, "up": data.up}
    for name in _PAIRS:
        pairs: Pairs = getattr(data, name)
        arrays |= {f"{name}.{part}": getattr(pairs, part) for part in ("query", "item", "weight")}
    arrays["gains"] = data.gains
    arrays = {name: np.ascontiguousarray(array) for name, array in sorted(arrays.items())}
    (folder / "texts.json").write_bytes(texts)
    save_file(arrays, folder / "data.safetensors")
    unbounded = replace(job, config=replace(job.config, seconds=0.0, memory=0))
    digest = hashlib.sha256(msgspec.json.encode(unbounded) + texts)
    for name, array in arrays.items():
        digest.update(name.encode() + array.tobytes())
    (folder / "job.json").write_bytes(msgspec.json.encode(job))
    return digest.hexdigest()


def read_job(folder: Path) -> tuple[EncoderJob, EncoderData]:
    """Read what `write_job` wrote."""
    job = msgspec.json.decode((folder / "job.json").read_bytes(), type=EncoderJob)
    texts = msgspec.json.decode((folder / "texts.json").read_bytes(), type=dict[str, list[str]])
    arrays = load_file(folder / "data.safetensors")

    def pairs(name: str) -> Pairs:
        return Pairs(arrays[f"{name}.query"], arrays[f"{name}.item"], arrays[f"{name}.weight"])

    known: dict[str, Any] = {
        **texts,
        **{name: pairs(name) for name in _PAIRS},
        **{name: arrays[name] for name in ("item_vectors", "start", "gains", "down", "up")},
    }
    return job, EncoderData(**known)


def read_result(folder: Path) -> EncoderResult:
    """Read what training left in the job's folder."""
    return msgspec.json.decode((folder / "result.json").read_bytes(), type=EncoderResult)
