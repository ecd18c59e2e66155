"""Vectors of judged sets, made once by the exported encoder and kept."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from embedding_studio.bench.learning.stage import Stage
from embedding_studio.inference import OnnxEncoder
from embedding_studio.infra.shipped import shipped
from embedding_studio.kernel.encoder import TextKind
from embedding_studio.ml.export import export_encoder
from embedding_studio.sdk import EncoderSource, find_plugins
from embedding_studio.simulation.judged import JudgedSet

__all__ = ["JudgedVectors", "encoded", "texts_of", "vectors_of"]

_PLUGIN = "text"
_THREADS = 2
_TEXTS_AT_ONCE = 256

Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class JudgedVectors:
    """Unit vectors in the order of the set, one a query and one an item, float32 (texts, dimensions)."""

    queries: Vectors
    items: Vectors


def vectors_of(stage: Stage, judged: JudgedSet) -> JudgedVectors:
    """The set's vectors, read back if they were made before; an item's text is cut where the encoder's window ends."""
    queries, items = list(judged.queries.values()), texts_of(judged)
    digest = hashlib.sha256(repr((stage.source.key, queries, items)).encode()).hexdigest()[:16]
    kept = stage.data_dir / "vectors" / f"{judged.name}-{digest}.npz"
    if not kept.is_file():
        stage.say(f"Encoding {len(queries):,} queries and {len(items):,} items of {judged.name}, once")
        encoder = _encoder(stage.source, stage.data_dir / "encoders")
        _write(kept, queries=encoded(encoder, queries, "query"), items=encoded(encoder, items, "item"))
    with np.load(kept, allow_pickle=False) as arrays:
        return JudgedVectors(arrays["queries"], arrays["items"])


def texts_of(judged: JudgedSet) -> list[str]:
    """What the plugin for any record makes of the items; an empty text where it makes nothing."""
    plugin = find_plugins(shipped("plugins")).get(_PLUGIN)
    if plugin.text is None:
        return [""] * len(judged.items)
    text_of = plugin.text.build()
    return ["\n".join(piece.text for piece in text_of(item["payload"])) for item in judged.items]


def _encoder(source: EncoderSource, folder: Path) -> OnnxEncoder:
    prompts = {"query_prompt": source.query_prompt, "item_prompt": source.item_prompt}
    export_encoder(source.model, folder / source.key, **prompts)
    return OnnxEncoder.load(folder / source.key, threads=_THREADS)


def encoded(encoder: OnnxEncoder, texts: Sequence[str], kind: TextKind) -> Vectors:
    """Their unit vectors, float32 (texts, dimensions)."""
    starts = range(0, len(texts), _TEXTS_AT_ONCE)
    return np.concatenate([encoder.encode(texts[start : start + _TEXTS_AT_ONCE], kind) for start in starts])


def _write(path: Path, **arrays: Vectors) -> None:
    """Write the arrays so that the file is whole whenever it is there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.new")
    with draft.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)
    draft.replace(path)
