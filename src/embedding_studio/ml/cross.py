"""From a cross-encoder to the folder that `inference` serves."""

import json
from collections.abc import Sequence
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
import torch
from tokenizers import Tokenizer

from embedding_studio.kernel.encoder import CrossEncoderDescription
from embedding_studio.ml.canaries import CANARY_TEXTS, compare
from embedding_studio.ml.folders import publish, sha256
from embedding_studio.ml.graph import write_pair_graph
from embedding_studio.ml.sources import load_cross_encoder
from embedding_studio.ml.texts import write_tokenizer

__all__ = ["CANARY_PAIRS", "export_cross_encoder"]

CANARY_PAIRS = (
    *((query, text) for query in ("red sofa", "bank robbery films") for text in CANARY_TEXTS),
    (CANARY_TEXTS[-1], CANARY_TEXTS[-1]),
    ("", ""),
)

_LONGEST = 512
"""Of longer texts a search could not wait for fifty scores."""

Scores = npt.NDArray[np.float32]


def export_cross_encoder(source: str, folder: Path) -> CrossEncoderDescription:
    """Write `model.onnx`, `tokenizer.json`, `canaries.json` and `encoder.json` into `folder`.

    The graph ends in scores between 0 and 1. The folder appears whole, and only once ONNX Runtime gives the torch
    model's scores within 1e-5.

    Args:
        source: As `sources.locate` reads it.
        folder: Does not exist yet, or holds an earlier export.

    Raises:
        UnavailableError: The model cannot be loaded.
        InvalidError: The model gives no single score, or its export computes other scores.
        ConflictError: The folder holds another cross-encoder.
    """
    wanted = {"source": source}
    return publish(folder, CrossEncoderDescription, wanted, lambda draft: _write(source, draft))


def _write(source: str, folder: Path) -> None:
    model, tokenizer = load_cross_encoder(source)
    names = _inputs(model, tokenizer)
    write_tokenizer(tokenizer, folder / "tokenizer.json")
    write_pair_graph(model, folder / "model.onnx", names=names, padding_id=tokenizer.pad_token_id or 0)
    description = CrossEncoderDescription(
        source=source,
        max_length=_max_length(model, tokenizer),
        tokenizer_sha256=sha256(folder / "tokenizer.json"),
        graph_sha256=sha256(folder / "model.onnx"),
    )
    expected = _by_torch(model, tokenizer, names, description.max_length)
    _verify(folder, expected, description.max_length)
    content = {"pairs": CANARY_PAIRS, "scores": expected.tolist()}
    (folder / "canaries.json").write_text(json.dumps(content), encoding="utf-8")
    description.write(folder / "encoder.json")


def _inputs(model: Any, tokenizer: Any) -> list[str]:
    """What the model takes of `input_ids`, `attention_mask` and `token_type_ids`."""
    taken = {*tokenizer.model_input_names} & {*signature(model.forward).parameters}
    return ["input_ids", "attention_mask", *({"token_type_ids"} & taken)]


def _max_length(model: Any, tokenizer: Any) -> int:
    stated = (tokenizer.model_max_length, getattr(model.config, "max_position_embeddings", _LONGEST))
    return min(_LONGEST, *map(int, stated))


def _by_torch(model: Any, tokenizer: Any, names: Sequence[str], max_length: int) -> Scores:
    queries, texts = zip(*CANARY_PAIRS, strict=True)
    tokens = tokenizer(queries, texts, truncation=True, max_length=max_length, padding=True, return_tensors="pt")
    with torch.no_grad():
        logits = model(**{name: tokens[name] for name in names}).logits
    return np.asarray(torch.sigmoid(logits)[:, 0], np.float32)


def _verify(folder: Path, expected: Scores, max_length: int) -> None:
    """Score the canaries by the exported files, all in one batch and each alone, and compare."""
    session = ort.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_truncation(max_length)
    tokenizer.enable_padding()
    compare(np.concatenate([_by_onnx(session, tokenizer, [pair]) for pair in CANARY_PAIRS]), expected)
    compare(_by_onnx(session, tokenizer, CANARY_PAIRS), expected)


def _by_onnx(session: ort.InferenceSession, tokenizer: Tokenizer, pairs: Sequence[tuple[str, str]]) -> Scores:
    encodings = tokenizer.encode_batch(list(pairs))
    fields = {"input_ids": "ids", "attention_mask": "attention_mask", "token_type_ids": "type_ids"}
    feed = {
        node.name: np.asarray([getattr(encoding, fields[node.name]) for encoding in encodings], np.int64)
        for node in session.get_inputs()
    }
    return np.asarray(session.run(["score"], feed)[0], np.float32)
