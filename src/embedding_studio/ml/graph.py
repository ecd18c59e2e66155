"""A sentence-transformers model as one ONNX graph."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from sentence_transformers import SentenceTransformer

__all__ = ["OPSET", "write_graph"]

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


def write_graph(model: SentenceTransformer, path: Path) -> None:
    """Write `input_ids`, `attention_mask` (int64: batch, sequence) → `embedding` (float32: batch, dimensions)."""
    example = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]])
    axes = {0: "batch", 1: "sequence"}
    with torch.no_grad(), _known_warnings():
        torch.onnx.export(
            _FinishedVectors(model, model.tokenizer.pad_token_id or 0),
            (example, example),
            path,
            input_names=["input_ids", "attention_mask"],
            output_names=["embedding"],
            dynamic_axes={"input_ids": axes, "attention_mask": axes, "embedding": {0: "batch"}},
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
