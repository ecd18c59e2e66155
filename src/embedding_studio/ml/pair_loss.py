"""From a batch of texts to its loss: what the trainer calls."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from sentence_transformers import SentenceTransformer
from torch import Tensor, nn
from torch.nn.functional import normalize

from embedding_studio.ml.job import EncoderData
from embedding_studio.ml.objectives import Facts, Objective

__all__ = ["PairLoss", "Teaching"]

Features = dict[str, Tensor]
Rows = npt.NDArray[np.int64]

_MOST_OTHERS = 4096


@dataclass(frozen=True, slots=True, eq=False)
class Teaching:
    """What a teacher says of training pairs.

    Attributes:
        negatives: Another item of each pair's query, int64 (pairs,).
        margins: By how much it prefers the pair's item, float32 (pairs,).
    """

    negatives: Rows
    margins: npt.NDArray[np.float32]


class PairLoss(nn.Module):
    """Encodes what is to be encoded of a batch and asks the objective.

    The texts of items are encoded where they come with the batch; else their vectors are taken as the index holds them,
    and those of all training pairs are at hand: they are negatives too. On SciFact (710 judged pairs of 540 queries)
    that took what queries learn in three epochs from +.018 to +.033 nDCG@10 on 269 queries left out of the training.
    With `chunk`, gradients are cached (Gao et al. 2021): the vectors of the whole batch are computed without a graph,
    and the graph is built again for a few texts at a time, so that the batch may be larger than memory allows.

    With `reduced`, the model computes in bfloat16 here, and here alone: the loss is of float32, and so are the vectors
    by which dev is looked at and with which the export is compared, for that is what serves.
    """

    def __init__(
        self,
        model: SentenceTransformer,
        data: EncoderData,
        objective: Objective,
        *,
        teaching: Teaching | None = None,
        chunk: int | None = None,
        reduced: bool = False,
    ) -> None:
        super().__init__()
        self.model = model
        self._objective = objective
        self._chunk = chunk
        self._reduced = reduced
        self._items = len(data.item_vectors)
        clicked = np.unique(data.train.query * self._items + data.train.item)
        arrays = {
            "query": data.train.query,
            "item": data.train.item,
            "weight": data.train.weight,
            "gain": data.gains,
            "clicked": clicked,
            "others": _spread(np.unique(data.train.item), _MOST_OTHERS),
            "vectors": data.item_vectors,
            "start": data.start,
            "down": data.down,
            "up": data.up,
        }
        if teaching:
            arrays |= {"negatives": teaching.negatives, "margins": teaching.margins}
        for name, array in arrays.items():
            self.register_buffer(f"_{name}", torch.from_numpy(np.ascontiguousarray(array)), persistent=False)
        self._taught = teaching is not None

    def forward(self, sentence_features: Iterable[Features], labels: Tensor) -> Tensor:
        """The loss of the batch.

        Args:
            sentence_features: Tokens of the queries, and of the items where those are encoded.
            labels: The training pairs' rows, (pairs,).
        """
        features = list(sentence_features)
        if self._chunk is None:
            return self._loss(self._encode(features), labels)
        return self._cached(features, labels)

    def _encode(self, sides: Iterable[Features]) -> list[Tensor]:
        device = self._buffer("start").device.type
        with torch.autocast(device, torch.bfloat16, enabled=self._reduced):
            return [self.model(features)["sentence_embedding"].float() for features in sides]

    def _loss(self, vectors: list[Tensor], rows: Tensor) -> Tensor:
        queries = self._adapted(normalize(vectors[0], dim=1))
        frozen = self._buffer("vectors")[self._buffer("item")[rows]]
        encoded = len(vectors) > 1
        items = normalize(vectors[1], dim=1) if encoded else frozen
        return self._objective(queries, items, self._facts(rows, frozen if encoded else None))

    def _facts(self, rows: Tensor, start_items: Tensor | None) -> Facts:
        query, item = self._buffer("query")[rows], self._buffer("item")[rows]
        others = self._buffer("others") if start_items is None else None
        masked = None if others is None else self._is_clicked(query, others) | _among(others, item.sort().values)
        return Facts(
            weight=self._buffer("weight")[rows],
            gain=self._buffer("gain")[rows],
            masked=self._clicked_too(query, item),
            start=self._buffer("start")[query],
            start_items=start_items,
            negatives=self._buffer("vectors")[self._buffer("negatives")[rows]] if self._taught else None,
            margins=self._buffer("margins")[rows] if self._taught else None,
            others=None if others is None else self._buffer("vectors")[others],
            masked_others=masked,
        )

    def _clicked_too(self, query: Tensor, item: Tensor) -> Tensor:
        """Which of the batch's items are other clicked ones of the same query, and so no negatives."""
        return self._is_clicked(query, item) & ~torch.eye(len(query), dtype=torch.bool, device=query.device)

    def _is_clicked(self, query: Tensor, item: Tensor) -> Tensor:
        return _among(query[:, None] * self._items + item[None, :], self._buffer("clicked"))

    def _adapted(self, queries: Tensor) -> Tensor:
        down, up = self._buffer("down"), self._buffer("up")
        return normalize(queries + queries @ down.T @ up.T, dim=1) if len(down) else queries

    def _cached(self, features: list[Features], rows: Tensor) -> Tensor:
        chunks = [list(_chunks(one, self._chunk or len(rows))) for one in features]
        states: list[list[Callable[[], Tensor]]] = []
        leaves: list[Tensor] = []
        for side in chunks:
            vectors, again = zip(*(self._without_graph(chunk) for chunk in side), strict=True)
            leaves.append(torch.cat(vectors).requires_grad_())
            states.append(list(again))
        if not torch.is_grad_enabled():
            return self._loss(leaves, rows)
        loss = self._loss(leaves, rows)
        gradients = torch.autograd.grad(loss, leaves)
        surrogate = _Surrogate(states, gradients)
        finished = loss.detach().requires_grad_()
        finished.register_hook(surrogate.backward)  # type: ignore[no-untyped-call]  # torch has not typed it
        return finished

    def _without_graph(self, features: Features) -> tuple[Tensor, Callable[[], Tensor]]:
        """The vectors, and what computes them again with a graph and the same dropout."""
        device = next(iter(features.values())).device
        devices = [device] if device.type == "cuda" else []
        state = torch.get_rng_state(), torch.cuda.get_rng_state(device) if devices else None
        with torch.no_grad():
            (vectors,) = self._encode([dict(features)])

        def again() -> Tensor:
            with torch.random.fork_rng(devices=devices), torch.enable_grad():
                torch.set_rng_state(state[0])
                if state[1] is not None:
                    torch.cuda.set_rng_state(state[1], device)
                return self._encode([dict(features)])[0]

        return vectors, again

    def _buffer(self, name: str) -> Tensor:
        tensor: Tensor = getattr(self, f"_{name}")
        return tensor


class _Surrogate:
    """Carries the gradients of vectors on into the weights, chunk by chunk."""

    def __init__(self, again: list[list[Callable[[], Tensor]]], gradients: tuple[Tensor, ...]) -> None:
        self._again = again
        self._gradients = gradients

    def backward(self, scale: Tensor) -> None:
        """Called once the loss's own gradient is known."""
        for chunks, gradient in zip(self._again, self._gradients, strict=True):
            start = 0
            for encode in chunks:
                with torch.enable_grad():
                    vectors = encode()
                    own = gradient[start : start + len(vectors)]
                    torch.autograd.backward((vectors * own).sum() * scale)
                start += len(vectors)


def _among(values: Tensor, known: Tensor) -> Tensor:
    """As `torch.isin`, which waits for the device; `known` is in ascending order, and not empty."""
    place = torch.searchsorted(known, values.contiguous()).clamp_max(len(known) - 1)
    return known[place] == values


def _spread(rows: Rows, most: int) -> Rows:
    """So many of them at most, at equal distances."""
    return rows[np.linspace(0, len(rows) - 1, most).astype(np.int64)] if len(rows) > most else rows


def _chunks(features: Mapping[str, Any], size: int) -> Iterable[Features]:
    rows = len(features["input_ids"])
    for start in range(0, rows, size):
        yield {
            name: value[start : start + size] if isinstance(value, Tensor) and len(value) == rows else value
            for name, value in features.items()
        }
