"""Parts that say how an encoder is trained; they are data, which the training process interprets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

__all__ = [
    "CachedSoftmax",
    "GradedCosent",
    "InBatchSoftmax",
    "Learning",
    "LearningRecipe",
    "LossPart",
    "Matryoshka",
    "Sampler",
    "TeacherMargins",
]

Sampler = Literal["one_a_query", "shuffled", "balanced"]
"""`one_a_query` brings no two pairs of a query into a batch; `balanced` takes one pair of each query an epoch."""


@dataclass(frozen=True, slots=True)
class LearningRecipe:
    """What the training process is told.

    Attributes:
        loss: Kind and settings.
        sampler: Which pairs come together in a batch.
        reads_gains: Whether pairs that nobody wants teach too.
        teacher: The cross-encoder that is asked; None without one.
    """

    loss: Mapping[str, Any]
    sampler: Sampler
    reads_gains: bool = False
    teacher: str | None = None


class LossPart(Protocol):
    """A part that says what training brings vectors to."""

    def build(self) -> Mapping[str, Any]:
        """Kind and settings."""
        ...


@dataclass(frozen=True, slots=True)
class InBatchSoftmax:
    """Every pair against the other items of its batch, each weighted by what users said of it.

    Other clicked items of the same query are no negatives. Where items are not encoded, those of other batches are
    negatives too.

    Attributes:
        scale: Of the cosines: one over the temperature.
        anchor: Weight of the term that holds vectors near where training found them.
    """

    scale: float = 20.0
    anchor: float = 1.0

    def build(self) -> Mapping[str, Any]:
        """Kind and settings."""
        return {"kind": "softmax", "scale": self.scale, "anchor": self.anchor}


@dataclass(frozen=True, slots=True)
class CachedSoftmax:
    """`InBatchSoftmax` whose gradients are cached, for batches larger than memory allows.

    Attributes:
        scale: As there.
        anchor: As there.
        chunk: Texts that are encoded with a graph at a time.
    """

    scale: float = 20.0
    anchor: float = 1.0
    chunk: int = 32

    def build(self) -> Mapping[str, Any]:
        """Kind and settings."""
        return {"kind": "cached_softmax", "scale": self.scale, "anchor": self.anchor, "chunk": self.chunk}


@dataclass(frozen=True, slots=True)
class GradedCosent:
    """Pairs in the order of their gains: for explicit grades, and where people say what they do not want.

    Attributes:
        scale: Of the cosines.
        anchor: As of `InBatchSoftmax`.
    """

    scale: float = 20.0
    anchor: float = 1.0

    def build(self) -> Mapping[str, Any]:
        """Kind and settings."""
        return {"kind": "cosent", "scale": self.scale, "anchor": self.anchor}


@dataclass(frozen=True, slots=True)
class TeacherMargins:
    """By how much a cross-encoder prefers the clicked item to a near one that nobody clicked.

    Attributes:
        teacher: A hub id or a folder.
        scale: What a difference of cosines is multiplied with to be compared with one of the teacher's scores.
        anchor: As of `InBatchSoftmax`.
    """

    teacher: str
    scale: float = 20.0
    anchor: float = 0.0

    def build(self) -> Mapping[str, Any]:
        """Kind and settings."""
        return {"kind": "margins", "teacher": self.teacher, "scale": self.scale, "anchor": self.anchor}


@dataclass(frozen=True, slots=True)
class Matryoshka:
    """Another loss on the first numbers of the vectors too, so that shorter vectors are good as well.

    Attributes:
        loss: That loss.
        dimensions: How many first numbers, each once.
    """

    loss: InBatchSoftmax | CachedSoftmax | GradedCosent | TeacherMargins = field(default_factory=InBatchSoftmax)
    dimensions: Sequence[int] = (384, 192, 96)

    def __post_init__(self) -> None:
        """Refuse sizes that are none."""
        if not self.dimensions or min(self.dimensions) < 1 or len(set(self.dimensions)) < len(self.dimensions):
            raise ValueError(f"dimensions must be positive numbers, each once, not {self.dimensions}")

    def build(self) -> Mapping[str, Any]:
        """Kind and settings."""
        return {"kind": "matryoshka", "loss": self.loss.build(), "dimensions": list(self.dimensions)}


@dataclass(frozen=True, slots=True)
class Learning:
    """How encoders are trained from what users did.

    Attributes:
        loss: What training brings vectors to.
        sampler: Which pairs come together in a batch.
    """

    loss: LossPart = field(default_factory=InBatchSoftmax)
    sampler: Sampler = "one_a_query"

    def build(self) -> LearningRecipe:
        """What the training process is told."""
        loss = self.loss.build()
        inner = loss["loss"] if loss["kind"] == "matryoshka" else loss
        return LearningRecipe(loss, self.sampler, reads_gains=inner["kind"] == "cosent", teacher=inner.get("teacher"))
