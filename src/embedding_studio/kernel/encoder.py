"""The one description of an encoder that trainer, indexer and query path read alike; and that of a cross-encoder."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Self

__all__ = ["CrossEncoderDescription", "EncoderDescription", "Precision", "TextKind"]

TextKind = Literal["query", "item"]
Precision = Literal["fp32", "int8"]


class _JsonFile:
    __slots__ = ()

    def write(self, path: Path) -> None:
        """Write the description as JSON."""
        description: Any = self
        path.write_text(json.dumps(asdict(description), indent=2) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read what `write` wrote."""
        return cls(**json.loads(path.read_text(encoding="utf-8")))


@dataclass(frozen=True, slots=True)
class EncoderDescription(_JsonFile):
    """What must be equal for two vectors to be comparable.

    Attributes:
        source: Model name or hub id the weights came from.
        query_prompt: Text put before every query.
        item_prompt: Text put before every item text.
        pooling: How token vectors become one vector: their `mean`, that of the first (`cls`) or of the last (`eos`).
        max_length: Tokens kept of a text, special tokens included.
        normalize: Whether vectors leave the encoder with Euclidean norm 1.
        dimensions: Length of a vector.
        tokenizer_sha256: Of the `tokenizer.json` beside the description.
        graph_sha256: Of the `model.onnx` beside the description.
        image_size: Side in pixels of the images that the encoder takes; None if it takes texts alone.
        image_graph_sha256: Of the `image.onnx` beside the description; None if there is none.
        precision: Of the weights, and of the products with them.
    """

    source: str
    query_prompt: str
    item_prompt: str
    pooling: Literal["mean", "cls", "eos"]
    max_length: int
    normalize: bool
    dimensions: int
    tokenizer_sha256: str
    graph_sha256: str
    image_size: int | None = None
    image_graph_sha256: str | None = None
    precision: Precision = "fp32"

    def prompt(self, kind: TextKind) -> str:
        """The text put before a text of this kind."""
        return self.query_prompt if kind == "query" else self.item_prompt


@dataclass(frozen=True, slots=True)
class CrossEncoderDescription(_JsonFile):
    """What must be equal for two scores to be comparable.

    Attributes:
        source: Model name or hub id the weights came from.
        max_length: Tokens kept of a query with a text, special tokens included.
        tokenizer_sha256: Of the `tokenizer.json` beside the description.
        graph_sha256: Of the `model.onnx` beside the description.
    """

    source: str
    max_length: int
    tokenizer_sha256: str
    graph_sha256: str
