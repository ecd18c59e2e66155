"""From a base model to the folder that `inference` serves."""

import hashlib
import shutil
from pathlib import Path
from typing import Literal, cast

from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
from tokenizers import Tokenizer

from embedding_studio.kernel.encoder import EncoderDescription
from embedding_studio.kernel.errors import ConflictError, InvalidError
from embedding_studio.kernel.ids import new_id
from embedding_studio.ml.canaries import verify, write_canaries
from embedding_studio.ml.graph import write_graph
from embedding_studio.ml.sources import load_model

__all__ = ["export_encoder"]

_LONGEST = 32_768
"""Tokenizers that know no maximum state a huge number instead."""


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
    wanted = (source, query_prompt, item_prompt)
    if not (folder / "encoder.json").exists():
        model = load_model(source)
        folder.parent.mkdir(parents=True, exist_ok=True)
        draft = folder.with_name(f".{folder.name}.{new_id()}")
        try:
            _write(model, wanted, draft)
            _publish(draft, folder)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    return _read(folder, wanted)


def _write(model: SentenceTransformer, wanted: tuple[str, str, str], folder: Path) -> None:
    folder.mkdir()
    _write_tokenizer(model, folder / "tokenizer.json")
    write_graph(model, folder / "model.onnx")
    description = _describe(model, wanted, folder)
    write_canaries(model, description.item_prompt, folder / "canaries.json")
    verify(folder, prompt=description.item_prompt, max_length=description.max_length)
    description.write(folder / "encoder.json")


def _write_tokenizer(model: SentenceTransformer, path: Path) -> None:
    fast = getattr(model.tokenizer, "backend_tokenizer", None)
    if fast is None:
        raise InvalidError("the model's tokenizer has no tokenizer.json form")
    tokenizer = Tokenizer.from_str(fast.to_str())
    tokenizer.no_padding()
    tokenizer.no_truncation()
    tokenizer.save(str(path))


def _describe(model: SentenceTransformer, wanted: tuple[str, str, str], folder: Path) -> EncoderDescription:
    source, query_prompt, item_prompt = wanted
    return EncoderDescription(
        source=source,
        query_prompt=query_prompt,
        item_prompt=item_prompt,
        pooling=_pooling(model),
        max_length=_max_length(model),
        normalize=any(isinstance(module, Normalize) for module in model.children()),
        dimensions=_dimensions(model),
        tokenizer_sha256=_sha256(folder / "tokenizer.json"),
        graph_sha256=_sha256(folder / "model.onnx"),
    )


def _pooling(model: SentenceTransformer) -> Literal["mean", "cls"]:
    transformer, pooling = (*model.children(), None, None)[:2]
    if not isinstance(transformer, Transformer) or not isinstance(pooling, Pooling):
        raise InvalidError("the model is no transformer with pooling")
    if pooling.pooling_mode not in ("mean", "cls") or not pooling.include_prompt:
        raise InvalidError(f"the model pools by {pooling.pooling_mode}; only mean or cls over all tokens is served")
    return cast("Literal['mean', 'cls']", pooling.pooling_mode)


def _max_length(model: SentenceTransformer) -> int:
    length = model.max_seq_length
    if length is None or length > _LONGEST:
        raise InvalidError("the model states no maximum of tokens")
    return length


def _dimensions(model: SentenceTransformer) -> int:
    dimensions = model.get_embedding_dimension()
    if dimensions is None:
        raise InvalidError("the model states no number of dimensions")
    return dimensions


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _publish(draft: Path, folder: Path) -> None:
    try:
        draft.rename(folder)
    except OSError:
        if not (folder / "encoder.json").exists():  # else another export was faster
            raise


def _read(folder: Path, wanted: tuple[str, str, str]) -> EncoderDescription:
    description = EncoderDescription.read(folder / "encoder.json")
    if (description.source, description.query_prompt, description.item_prompt) != wanted:
        raise ConflictError(f"{folder.name} holds the export of {description.source} with other prompts or weights")
    return description
