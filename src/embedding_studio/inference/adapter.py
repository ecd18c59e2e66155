"""The query adapter: a low-rank correction of query vectors that leaves every item vector as it is."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load, save

from embedding_studio.kernel.errors import InvalidError

__all__ = ["QueryAdapter"]

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class QueryAdapter:
    """q' = normalise(q + B·A·q), the residual form of a low-rank adapter (Hu et al. 2021, LoRA) on finished vectors.

    Attributes:
        down: A, float32 (rank, dimensions).
        up: B, float32 (dimensions, rank); zeros make the adapter the identity on unit vectors.

    Raises:
        InvalidError: The two do not fit each other, are not float32 or hold a number that is not finite.
    """

    down: Floats
    up: Floats

    def __post_init__(self) -> None:
        for name, matrix in self._matrices().items():
            _check(name, matrix)
        if self.up.shape != self.down.shape[::-1]:
            raise InvalidError.at("up", f"shape {self.up.shape} does not fit down's {self.down.shape}")

    @property
    def dimensions(self) -> int:
        """Length of the vectors that the adapter takes and gives."""
        return int(self.up.shape[0])

    def apply(self, vectors: Floats) -> Floats:
        """Adapt query vectors, each on its own.

        Args:
            vectors: float32 (queries, dimensions).

        Returns:
            float32 (queries, dimensions), rows of Euclidean norm 1; a row that comes out as zero stays zero.
        """
        moved = np.asarray(vectors + (vectors @ self.down.T) @ self.up.T, np.float32)
        norms = np.linalg.norm(moved, axis=1, keepdims=True)
        moved /= np.where(norms > 0, norms, 1)
        return moved

    def to_bytes(self) -> bytes:
        """The two matrices as a safetensors file."""
        return save({name: np.ascontiguousarray(matrix) for name, matrix in self._matrices().items()})

    @classmethod
    def from_bytes(cls, content: bytes) -> "QueryAdapter":
        """Read what `to_bytes` wrote.

        Raises:
            InvalidError: It is no safetensors file, or holds anything but two fitting float32 matrices.
        """
        try:
            matrices = load(content)
        except SafetensorError as error:
            raise InvalidError(f"the adapter is no safetensors file: {error}") from error
        if set(matrices) != {"down", "up"}:
            raise InvalidError(f"an adapter holds down and up, not {sorted(matrices)}")
        return cls(down=matrices["down"], up=matrices["up"])

    def _matrices(self) -> Mapping[str, Floats]:
        return {"down": self.down, "up": self.up}


def _check(name: str, matrix: Floats) -> None:
    if matrix.dtype != np.float32 or matrix.ndim != 2 or not matrix.size:  # noqa: PLR2004  # a matrix
        raise InvalidError.at(name, f"float32 matrix expected, got {matrix.dtype} of shape {matrix.shape}")
    if not np.isfinite(matrix).all():
        raise InvalidError.at(name, "holds a number that is not finite")
