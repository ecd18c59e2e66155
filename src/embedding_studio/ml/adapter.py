"""Training of the query adapter on cached vectors.

An epoch is chosen by nDCG@10 on dev: the latest one that none before it is shown to beat (95 % interval of the paired
difference). The best mean itself would be the wrong choice. Dev sets are small, and what people were shown favours the
model that showed it: on 46 to 91 dev queries of simulated film searches the best mean fell on the untrained start in 2
of 12 trainings, and cost up to .02 of the gain in the others; this rule gave the last epoch's gain within .003 in all,
and went back to the start or near it where clicks had been shuffled over sessions.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import normalize

from embedding_studio.kernel.errors import InvalidError
from embedding_studio.ml.losses import adapter_loss
from embedding_studio.ml.pairs import Pairs
from embedding_studio.ml.ranking import ndcg_by_query, shown_worse

__all__ = ["AdapterConfig", "AdapterData", "AdapterResult", "Epoch", "train_adapter"]

Floats = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterConfig:
    """How to train.

    Attributes:
        rank: Of B·A; ignored where training starts from an adapter.
        scale: Of the cosines in the softmax: one over the temperature.
        anchor: Weight of the term that holds queries near where they started.
        epochs: Passes over the training pairs, at most.
        patience: Epochs in a row, each shown to be worse than the best on dev, after which training stops.
        learning_rate: Of AdamW at the first step, falling linearly to 0; nothing decays the weights.
        batch_size: Pairs a step; the batch's items are the negatives.
        seed: Of the start and of the batches.
        threads: Cores used.
    """

    rank: int = 32
    scale: float = 20.0
    anchor: float = 3.0
    epochs: int = 30
    patience: int = 10
    learning_rate: float = 5e-3
    batch_size: int = 128
    seed: int = 0
    threads: int = 1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AdapterData:
    """What to train on and what to choose by.

    Attributes:
        queries: Unit vectors, float32 (queries, dimensions).
        items: Unit vectors, float32 (items, dimensions).
        train: Clicked pairs; the weight is the pair's in the loss.
        dev: Judged pairs of other queries; the weight is the gain. Without any, the last epoch is taken.
        dev_shown: What the dev queries were shown, as `ranking.ndcg_by_query` reads it; None: all items are ranked.

    Raises:
        InvalidError: Nothing to train on, or the parts do not fit each other.
    """

    queries: Floats
    items: Floats
    train: Pairs
    dev: Pairs
    dev_shown: Pairs | None = None

    def __post_init__(self) -> None:
        if self.queries.shape[1:] != self.items.shape[1:]:
            raise InvalidError(f"queries {self.queries.shape} and items {self.items.shape} are of different lengths")
        if not self.train.weight.any():
            raise InvalidError.at("train", "no pair has a weight")
        for pairs in (self.train, self.dev, self.dev_shown):
            if pairs is not None:
                pairs.check(queries=len(self.queries), items=len(self.items))


@dataclass(frozen=True, slots=True)
class Epoch:
    """A point of the learning curve: mean loss (None before training) and nDCG@10 on dev (None without dev pairs)."""

    loss: float | None
    dev_ndcg: float | None


@dataclass(frozen=True, slots=True, eq=False)
class AdapterResult:
    """A trained adapter.

    Attributes:
        down: A, float32 (rank, dimensions).
        up: B, float32 (dimensions, rank).
        curve: By epoch; the first point is the start, before any step.
        best_epoch: Position in `curve` of the chosen point, whose A and B these are; 0: the start.
    """

    down: Floats
    up: Floats
    curve: tuple[Epoch, ...]
    best_epoch: int


def train_adapter(
    data: AdapterData,
    config: AdapterConfig,
    *,
    progress: Callable[[int, int], None],
    stop: Callable[[], bool],
    initial: tuple[Floats, Floats] | None = None,
) -> AdapterResult:
    """Fit q' = normalise(q + B·A·q) to clicked pairs.

    B starts at zero, so that the first point of the curve is the deployed model. The same data, configuration and
    number of threads give the same numbers.

    Args:
        data: Vectors and pairs.
        config: How to train.
        progress: Called after every epoch with epochs done and epochs at most.
        stop: Asked before every epoch; once it says yes, the epoch chosen so far is returned.
        initial: A and B of the adapter to go on from; the anchor then holds queries near its output.
    """
    with _bounded_threads(config.threads):
        training = _Training(data, config, initial)
        for epoch in range(1, config.epochs + 1):
            if stop() or training.stale():
                break
            training.run_epoch()
            progress(epoch, config.epochs)
        return training.result()


class _Training:
    """The state between two epochs."""

    def __init__(self, data: AdapterData, config: AdapterConfig, initial: tuple[Floats, Floats] | None) -> None:
        self._data = data
        self._config = config
        self._random = np.random.default_rng(config.seed)
        self._queries, self._items = torch.from_numpy(data.queries), torch.from_numpy(data.items)
        self._clicked = np.unique(data.train.query * len(data.items) + data.train.item)
        down, up = initial or _identity(self._random, config.rank, data.queries.shape[1])
        self._down, self._up = (torch.tensor(matrix, requires_grad=True) for matrix in (down, up))
        self._optimizer = torch.optim.AdamW([self._down, self._up], lr=config.learning_rate, weight_decay=0.0)
        steps = config.epochs * -(-len(data.train) // config.batch_size)
        self._schedule = torch.optim.lr_scheduler.LinearLR(self._optimizer, 1.0, 0.0, steps)
        self._start = self._adapted(slice(None)).detach()
        self._curve: list[Epoch] = []
        self._best_dev, self._chosen_epoch, self._chosen = self._dev_ndcg(), 0, self._matrices()
        self._record(None)

    def run_epoch(self) -> None:
        """One pass over the pairs in a new order."""
        order = self._random.permutation(len(self._data.train))
        starts = range(0, len(order), self._config.batch_size)
        losses = [self._step(order[start : start + self._config.batch_size]) for start in starts]
        self._record(float(np.mean(losses)))

    def stale(self) -> bool:
        """Whether dev has shown for too long that training has gone too far."""
        return len(self._curve) > self._chosen_epoch + self._config.patience

    def result(self) -> AdapterResult:
        """The chosen epoch's adapter."""
        down, up = self._chosen
        return AdapterResult(down=down, up=up, curve=tuple(self._curve), best_epoch=self._chosen_epoch)

    def _step(self, batch: Rows) -> float:
        query, item = self._data.train.query[batch], self._data.train.item[batch]
        items, target = np.unique(item, return_inverse=True)
        self._optimizer.zero_grad()
        loss = adapter_loss(
            self._adapted(query),
            self._start[query],
            self._items[items],
            target=torch.from_numpy(target),
            masked=torch.from_numpy(self._clicked_too(query, items, target)),
            weight=torch.from_numpy(self._data.train.weight[batch]),
            scale=self._config.scale,
            anchor=self._config.anchor,
        )
        torch.autograd.backward(loss)
        self._optimizer.step()
        self._schedule.step()
        return float(loss.detach())

    def _clicked_too(self, query: Rows, items: Rows, target: Rows) -> npt.NDArray[np.bool_]:
        """Which of the batch's items are other clicked ones of the same query, and so no negatives."""
        clicked = np.isin(query[:, None] * len(self._data.items) + items, self._clicked)
        clicked[np.arange(len(query)), target] = False
        return clicked

    def _adapted(self, rows: Rows | slice) -> Tensor:
        vectors = self._queries[rows]
        return normalize(vectors + vectors @ self._down.T @ self._up.T, dim=1)

    def _record(self, loss: float | None) -> None:
        dev = self._dev_ndcg()
        self._curve.append(Epoch(loss, float(dev.mean()) if len(dev) else None))
        if not shown_worse(dev, self._best_dev):
            self._chosen_epoch, self._chosen = len(self._curve) - 1, self._matrices()
        if dev.sum() > self._best_dev.sum():
            self._best_dev = dev

    def _dev_ndcg(self) -> npt.NDArray[np.float64]:
        with torch.no_grad():
            adapted = self._adapted(slice(None)).numpy()
        return ndcg_by_query(adapted, self._data.items, self._data.dev, self._data.dev_shown)

    def _matrices(self) -> tuple[Floats, Floats]:
        return self._down.detach().numpy().copy(), self._up.detach().numpy().copy()


def _identity(random: np.random.Generator, rank: int, dimensions: int) -> tuple[Floats, Floats]:
    down = random.normal(0, dimensions**-0.5, (rank, dimensions)).astype(np.float32)
    return down, np.zeros((dimensions, rank), np.float32)


@contextmanager
def _bounded_threads(threads: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
