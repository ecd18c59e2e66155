"""From a base model to the folder that `inference` serves."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, cast

from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer

from embedding_studio.kernel.encoder import EncoderDescription
from embedding_studio.kernel.errors import InvalidError
from embedding_studio.ml.canaries import verify, write_canaries
from embedding_studio.ml.folders import publish, sha256
from embedding_studio.ml.graph import write_graph
from embedding_studio.ml.sources import load_model
from embedding_studio.ml.texts import dimensions, max_length, write_tokenizer

__all__ = ["export_encoder", "write_encoder"]


def export_encoder(source: str, folder: Path, *, query_prompt: str = "", item_prompt: str = "") -> EncoderDescription:
    """Write `model.onnx`, `tokenizer.json`, `canaries.json` and `encoder.json` into `folder`.

    The folder appears whole, and only once ONNX Runtime gives the torch model's vectors within 1e-5. Where it holds
    this export already, nothing is done. Of several exports at once the first to end wins, and all return the same.

    Args:
        source: As `sources.locate` reads it.
        folder: Does not exist yet, or holds an earlier export.
        query_prompt: Put before every query.
        item_prompt: Put before every item text.

    Raises:
        UnavailableError: The model cannot be loaded.
        InvalidError: The model is of a kind that we cannot serve, or its export computes other vectors.
        ConflictError: The folder holds another encoder.
    """
    wanted = {"source": source, "query_prompt": query_prompt, "item_prompt": item_prompt}
    return publish(folder, EncoderDescription, wanted, lambda draft: write_encoder(load_model(source), wanted, draft))


def write_encoder(model: SentenceTransformer, wanted: Mapping[str, str], folder: Path) -> EncoderDescription:
    """Write the files of `export_encoder` into a folder that nobody reads yet.

    Args:
        model: In float32 on the CPU, ready for inference.
        wanted: `source`, `query_prompt` and `item_prompt` of the description.
        folder: Is there.

    Raises:
        InvalidError: The model is of a kind that we cannot serve, or its export computes other vectors.
    """
    write_tokenizer(model.tokenizer, folder / "tokenizer.json")
    write_graph(model, folder / "model.onnx")
    description = _describe(model, wanted, folder)
    write_canaries(model, description.item_prompt, folder / "canaries.json")
    verify(folder, prompt=description.item_prompt, max_length=description.max_length)
    description.write(folder / "encoder.json")
    return description


def _describe(model: SentenceTransformer, wanted: Mapping[str, str], folder: Path) -> EncoderDescription:
    return EncoderDescription(
        source=wanted["source"],
        query_prompt=wanted["query_prompt"],
        item_prompt=wanted["item_prompt"],
        pooling=_pooling(model),
        max_length=max_length(model),
        normalize=any(isinstance(module, Normalize) for module in model.children()),
        dimensions=dimensions(model),
        tokenizer_sha256=sha256(folder / "tokenizer.json"),
        graph_sha256=sha256(folder / "model.onnx"),
    )


def _pooling(model: SentenceTransformer) -> Literal["mean", "cls"]:
    transformer, pooling = (*model.children(), None, None)[:2]
    if not isinstance(transformer, Transformer) or not isinstance(pooling, Pooling):
        raise InvalidError("the model is no transformer with pooling")
    if pooling.pooling_mode not in ("mean", "cls") or not pooling.include_prompt:
        raise InvalidError(f"the model pools by {pooling.pooling_mode}; only mean or cls over all tokens is served")
    return cast("Literal['mean', 'cls']", pooling.pooling_mode)
