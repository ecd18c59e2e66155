"""A cross-encoder that says of two items which answers a query better, and by how much."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from embedding_studio.kernel.errors import InvalidError
from embedding_studio.ml.job import EncoderData, EncoderJob
from embedding_studio.ml.pair_loss import Teaching
from embedding_studio.ml.sources import load_cross_encoder

__all__ = ["teach"]

_NEAREST = 20
_PAIRS_AT_ONCE = 32
_LONGEST = 512

Rows = npt.NDArray[np.int64]


def teach(job: EncoderJob, data: EncoderData, device: torch.device) -> Teaching | None:
    """Ask the teacher, on this device, of every training pair; None where the loss has none.

    The other item of a pair is drawn from the nearest to its query that nobody clicked for it.

    Raises:
        UnavailableError: The teacher cannot be loaded.
        InvalidError: It is no cross-encoder, or there are no texts for it to read.
    """
    inner = job.loss["loss"] if job.loss["kind"] == "matryoshka" else job.loss
    if inner["kind"] != "margins":
        return None
    if not data.items:
        raise InvalidError.at("loss", "a teacher reads the items' texts")
    negatives = _negatives(data, np.random.default_rng(job.config.seed))
    model, tokenizer = load_cross_encoder(inner["teacher"])
    model.to(device)
    queries = [data.queries[row] for row in data.train.query]
    scores = [
        _scores(tokenizer, model, queries, [data.items[row] for row in rows]) for rows in (data.train.item, negatives)
    ]
    return Teaching(negatives, scores[0] - scores[1])


def _negatives(data: EncoderData, random: np.random.Generator) -> Rows:
    found = np.empty(len(data.train), np.int64)
    for place, query in enumerate(data.train.query):
        scores = data.item_vectors @ data.start[query]
        scores[data.train.item[data.train.query == query]] = -np.inf
        nearest = np.argsort(-scores, kind="stable")[:_NEAREST]
        found[place] = random.choice(nearest[np.isfinite(scores[nearest])])
    return found


def _scores(tokenizer: Any, model: Any, queries: Sequence[str], texts: Sequence[str]) -> npt.NDArray[np.float32]:
    scores = np.empty(len(queries), np.float32)
    for start in range(0, len(queries), _PAIRS_AT_ONCE):
        rows = slice(start, start + _PAIRS_AT_ONCE)
        tokens = tokenizer(
            list(queries[rows]),
            list(texts[rows]),
            padding=True,
            truncation=True,
            max_length=_LONGEST,
            return_tensors="pt",
        ).to(model.device)
        with torch.no_grad():
            scores[rows] = model(**tokens).logits.squeeze(-1).cpu().numpy()
    return scores
