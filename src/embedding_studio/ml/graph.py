"""Models as ONNX graphs: one for texts, one for images, one for pairs of texts."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from sentence_transformers import SentenceTransformer

__all__ = ["OPSET", "write_graph", "write_image_graph", "write_pair_graph"]

OPSET = 17


class _FinishedVectors(torch.nn.Module):
    """Token ids and mask in, finished vectors out: all modules of the model, pooling and normalisation included."""

    def __init__(self, model: SentenceTransformer, padding_id: int) -> None:
        super().__init__()
        self.modules_in_order = torch.nn.ModuleList(model.children())
        self.padding_id = padding_id

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        # What stands behind the mask can then not matter, whichever id the caller padded with.
        input_ids = torch.where(attention_mask > 0, input_ids, self.padding_id)
        features = {"input_ids": input_ids, "attention_mask": attention_mask}
        for module in self.modules_in_order:
            features = module(features)
        return features["sentence_embedding"]


class _FinishedImageVectors(torch.nn.Module):
    """Pixels in, finished vectors out: scaled and normalised as the model's own preprocessing does it."""

    mean: torch.Tensor
    deviation: torch.Tensor

    def __init__(self, model: SentenceTransformer, mean: Sequence[float], deviation: Sequence[float]) -> None:
        super().__init__()
        self.modules_in_order = torch.nn.ModuleList(model.children())
        self.register_buffer("mean", torch.tensor(mean))
        self.register_buffer("deviation", torch.tensor(deviation))

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        scaled = (pixels.float() / 255 - self.mean) / self.deviation
        features: dict[str, Any] = {"pixel_values": scaled.permute(0, 3, 1, 2), "modality": "image"}
        for module in self.modules_in_order:
            features = module(features)
        vectors: torch.Tensor = features["sentence_embedding"]
        return vectors


class _FinishedScores(torch.nn.Module):
    """Tokens of pairs in, scores between 0 and 1 out."""

    def __init__(self, model: torch.nn.Module, padding_id: int) -> None:
        super().__init__()
        self.model = model
        self.padding_id = padding_id

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, token_type_ids: torch.Tensor | None = None
    ) -> torch.Tensor:
        input_ids = torch.where(attention_mask > 0, input_ids, self.padding_id)
        segments = {} if token_type_ids is None else {"token_type_ids": token_type_ids}
        logits: torch.Tensor = self.model(input_ids=input_ids, attention_mask=attention_mask, **segments).logits
        return torch.sigmoid(logits).squeeze(-1)


def write_graph(model: SentenceTransformer, path: Path) -> None:
    """Write `input_ids`, `attention_mask` (int64: batch, sequence) → `embedding` (float32: batch, dimensions)."""
    example = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]])
    axes = {0: "batch", 1: "sequence"}
    vectors = _FinishedVectors(model, model.tokenizer.pad_token_id or 0)
    _write(vectors, {"input_ids": (example, axes), "attention_mask": (example, axes)}, path)


def write_image_graph(
    model: SentenceTransformer, path: Path, *, size: int, mean: Sequence[float], deviation: Sequence[float]
) -> None:
    """Write `pixels` (uint8: batch, size, size, 3) → `embedding` (float32: batch, dimensions).

    Args:
        model: Takes images.
        path: Of the graph.
        size: Side of an image in pixels.
        mean: Of the channels red, green and blue, where white is 1.
        deviation: Standard deviation of the channels.
    """
    example = torch.zeros((2, size, size, 3), dtype=torch.uint8)
    _write(_FinishedImageVectors(model, mean, deviation), {"pixels": (example, {0: "batch"})}, path)


def write_pair_graph(model: torch.nn.Module, path: Path, *, names: Sequence[str], padding_id: int) -> None:
    """Write the inputs of these names (int64: batch, sequence) → `score` (float32: batch), in 0..1.

    Args:
        model: Gives a pair of texts one logit.
        path: Of the graph.
        names: `input_ids`, `attention_mask` and, where the model tells the texts apart by it, `token_type_ids`.
        padding_id: What the model expects behind the mask.
    """
    example = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]])
    inputs = {name: (example, {0: "batch", 1: "sequence"}) for name in names}
    _write(_FinishedScores(model, padding_id), inputs, path, output="score")


def _write(
    module: torch.nn.Module,
    inputs: Mapping[str, tuple[torch.Tensor, dict[int, str]]],
    path: Path,
    *,
    output: str = "embedding",
) -> None:
    with torch.no_grad(), _known_warnings():
        torch.onnx.export(
            module.eval(),  # the exporter would put a module in training back into training, with all that is in it
            tuple(example for example, _ in inputs.values()),
            path,
            input_names=list(inputs),
            output_names=[output],
            dynamic_axes={name: axes for name, (_, axes) in inputs.items()} | {output: {0: "batch"}},
            opset_version=OPSET,
            dynamo=False,
        )


@contextmanager
def _known_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        # docs/adr/0004-one-onnx-graph.md says why the older exporter is used.
        warnings.filterwarnings("ignore", "You are using the legacy TorchScript-based ONNX export", DeprecationWarning)
        warnings.filterwarnings("ignore", "The feature will be removed", DeprecationWarning)
        # Tracing may have frozen a branch or an index: `canaries.verify` runs other shapes than the traced one.
        warnings.filterwarnings("ignore", "Converting a tensor to a Python boolean")
        warnings.filterwarnings("ignore", "Exporting aten::index operator", UserWarning)
        yield
