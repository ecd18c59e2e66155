"""An encoder of random weights, small enough to be made on the spot, and a world that it can learn."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from string import ascii_lowercase
from typing import Any

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
from transformers import AutoConfig, AutoModel, BertTokenizer

from embedding_studio.ml.job import EncoderConfig, EncoderData, EncoderJob
from embedding_studio.ml.pairs import Pairs
from embedding_studio.ml.sources import load_model

__all__ = ["COLORS", "THINGS", "job", "one_thread", "save_small_encoder", "world"]

THINGS = ["sofa", "table", "lamp", "knife", "chair", "rug", "mirror", "shelf"]
COLORS = ["red", "green", "blue", "black"]
NAMES = ["couch", "desk", "light", "blade", "seat", "carpet", "glass", "rack"]
"""What people call the things."""


@contextmanager
def one_thread() -> Iterator[None]:
    """Use one core, as a training process does by default: several get in each other's way on small matrices."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def save_small_encoder(folder: Path, *, seed: int = 0) -> str:
    """Write the model as sentence-transformers does; returns the folder's name."""
    torch.manual_seed(seed)
    letters = list(ascii_lowercase)
    words = [*THINGS, *COLORS, *NAMES, "a", "my"]
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words, *letters, *(f"##{letter}" for letter in letters)]
    tokenizer = BertTokenizer({one: number for number, one in enumerate(dict.fromkeys(tokens))}, model_max_length=32)
    config = AutoConfig.for_model(
        "bert",
        vocab_size=len(tokens),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        initializer_range=0.1,  # else all vectors are nearly the same
    )
    bare = folder / "bare"
    AutoModel.from_config(config).save_pretrained(bare)  # type: ignore[no-untyped-call]  # not typed
    tokenizer.save_pretrained(bare)
    transformer = Transformer(str(bare), max_seq_length=32)
    pooling = Pooling(transformer.get_embedding_dimension(), pooling_mode="mean")
    model = SentenceTransformer(modules=[transformer, pooling, Normalize()], device="cpu")
    model.save(str(folder / "whole"), create_model_card=False)
    return str(folder / "whole")


def world(model: str, *, adapter: int = 0) -> EncoderData:
    """Queries that call things otherwise than the items do: a click on the two first colors teaches what they mean.

    Args:
        model: A folder.
        adapter: Rank of an adapter of random numbers that training begins with; 0: none.
    """
    encoder = load_model(model)
    items = [f"{color} {thing}" for thing in THINGS for color in COLORS]
    queries = [*(f"a {name}" for name in NAMES), *(f"my {name}" for name in NAMES)]
    vectors = [np.asarray(encoder.encode(texts, normalize_embeddings=True), np.float32) for texts in (items, queries)]
    of_thing = [[thing * len(COLORS) + color for color in range(len(COLORS))] for thing in range(len(THINGS))]
    train = [(query, item, 1.0) for query in range(len(NAMES)) for item in of_thing[query][:2]]
    dev = [(query + len(NAMES), item, 1.0) for query in range(len(NAMES)) for item in of_thing[query]]
    shown = [(query + len(NAMES), item, 1.0) for query in range(len(NAMES)) for item in range(len(items))]
    random = np.random.default_rng(0)
    down = random.normal(0, 0.2, (adapter, 32)).astype(np.float32)
    up = random.normal(0, 0.2, (32, adapter)).astype(np.float32)
    begun = vectors[1] + vectors[1] @ down.T @ up.T
    return EncoderData(
        queries=queries,
        items=items,
        item_vectors=vectors[0],
        start=begun / np.linalg.norm(begun, axis=1, keepdims=True),
        train=_pairs(train),
        gains=np.array([1.0, 0.5] * len(NAMES), np.float32),
        dev=_pairs(dev),
        dev_shown=_pairs(shown),
        down=down,
        up=up,
    )


def job(model: str, **fields: Any) -> EncoderJob:
    """A short training of the model's queries."""
    config = {"epochs": 8, "batch_size": 8, "learning_rate": 1e-2, "evaluations": 1, "patience": 100, "anchor": 0.0}
    known: dict[str, Any] = {"track": "query_encoder", "model": model, "source": "small", **fields}
    known["config"] = EncoderConfig(**{**config, **known.pop("settings", {})})
    return EncoderJob(**known)


def _pairs(rows: list[tuple[int, int, float]]) -> Pairs:
    query, item, weight = zip(*rows, strict=True)
    return Pairs(np.array(query, np.int64), np.array(item, np.int64), np.array(weight, np.float32))
