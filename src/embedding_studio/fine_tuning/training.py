"""Training one candidate on one track."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedding_studio.fine_tuning.child import TrainingProcess
from embedding_studio.fine_tuning.materials import Materials, MaterialsReader
from embedding_studio.fine_tuning.tracks import EncoderTrack, OneTrack
from embedding_studio.inference import ModelService, NewEncoder, QueryAdapter
from embedding_studio.ml.adapter import AdapterConfig, AdapterData, train_adapter
from embedding_studio.ml.job import LEARNING_RATES, TWIN, EncoderConfig, EncoderData, EncoderJob
from embedding_studio.ml.ranking import ndcg_by_query
from embedding_studio.sdk import LearningRecipe

__all__ = ["AdapterTrainer", "Candidate", "CurvePoint", "EncoderTrainer", "Step"]

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

Step = Callable[[int, int], Awaitable[None]]
"""Told of steps done and steps in all."""

_FASTEST_TELLING = 1.0  # seconds


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """A point of the learning curve."""

    step: int
    loss: float | None
    dev_ndcg: float | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Candidate:
    """A trained model as it will be served.

    Attributes:
        track: How it was trained.
        params: All settings of the training.
        curve: Loss and dev nDCG@10.
        best: The point of the curve that was kept.
        dev: nDCG@10 of each dev query by the model that was kept.
        canary_difference: Largest difference of a number between what is served and what was trained.
        adapter: Read back from its bytes; None if there is none.
        encoder: The encoder that was trained; None if there is none.
        twin: Folder of the same in float32 where the encoder is quantised; None where it is not.
        seconds: That training took.
        examples_per_second: Training pairs; None where an epoch is a matter of milliseconds.
        device: Where it was trained.
        resumed_from: The step of the checkpoint that training went on from; None: it was not cut short.
    """

    track: OneTrack
    params: Mapping[str, Any]
    curve: tuple[CurvePoint, ...]
    best: int
    dev: Doubles
    canary_difference: float
    adapter: QueryAdapter | None = None
    encoder: NewEncoder | None = None
    twin: Path | None = None
    seconds: float = 0.0
    examples_per_second: float | None = None
    device: str = "cpu"
    resumed_from: int | None = None

    @property
    def dev_ndcg(self) -> float:
        """Mean over the dev queries."""
        return float(self.dev.mean()) if len(self.dev) else 0.0


class AdapterTrainer:
    """Trains in a thread on vectors that are there already."""

    def __init__(self, *, threads: int) -> None:
        self._threads = threads

    async def train(self, materials: Materials, params: Mapping[str, Any], *, share: float = 1.0) -> Candidate:
        """Fit an adapter to the train split, choosing the epoch by the dev split.

        Args:
            materials: Of the data set; where training begins from an adapter, it goes on from that.
            params: Settings that differ from the defaults.
            share: Of the epochs.
        """
        config = _config(AdapterConfig, {**params, "threads": self._threads}, share)
        data = AdapterData(
            queries=materials.plain,
            items=materials.item_vectors,
            train=materials.wanted,
            dev=materials.dev,
            dev_shown=materials.dev_shown,
        )
        adapter = materials.start.adapter
        initial = (adapter.down, adapter.up) if adapter else None
        started = time.monotonic()
        stop = threading.Event()
        try:
            result = await asyncio.to_thread(
                train_adapter, data, config, progress=lambda _done, _total: None, stop=stop.is_set, initial=initial
            )
        finally:
            stop.set()
        trained = QueryAdapter(down=result.down, up=result.up)
        served = QueryAdapter.from_bytes(trained.to_bytes())
        return Candidate(
            track="query_adapter",
            params=asdict(config),
            curve=tuple(CurvePoint(step, one.loss, one.dev_ndcg) for step, one in enumerate(result.curve)),
            best=result.best_epoch,
            dev=ndcg_by_query(served.apply(data.queries), data.items, data.dev, data.dev_shown),
            canary_difference=_difference(trained, served, data.queries),
            adapter=served,
            seconds=time.monotonic() - started,
        )


class EncoderTrainer:
    """Trains in a process of its own, which goes on where one that died has left off."""

    def __init__(
        self,
        *,
        reader: MaterialsReader,
        models: ModelService,
        process: TrainingProcess,
        threads: int,
        memory: int,
    ) -> None:
        self._reader = reader
        self._models = models
        self._process = process
        self._threads = threads
        self._memory = memory

    async def train(
        self,
        track: EncoderTrack,
        materials: Materials,
        params: Mapping[str, Any],
        *,
        recipe: LearningRecipe,
        folder: Path,
        seconds: float,
        step: Step,
        share: float = 1.0,
    ) -> Candidate:
        """Train an encoder on the train split, choosing the point by the dev split.

        Args:
            track: Which sides are trained.
            materials: Of the data set.
            params: Settings that differ from the defaults.
            recipe: The plugin's loss and sampler.
            folder: Of this training alone; the same in a later attempt.
            seconds: Of training.
            step: Told of progress.
            share: Of the epochs.

        Raises:
            TrainingFailedError: The process gave up.
            UnavailableError: It died, or a model cannot be loaded now.
        """
        bounds = {"threads": self._threads, "memory": self._memory, "seconds": seconds}
        config = _config(EncoderConfig, {"learning_rate": LEARNING_RATES[track], **params, **bounds}, share)
        started = time.monotonic()
        job = await self._job(track, materials, config, recipe, folder)
        data = await self._data(track, materials, recipe)
        result = await self._process.run(folder / "run", job, data, _seldom(step))
        adapter = materials.start.adapter if track == "both_encoders" and data.has_adapter else None
        return Candidate(
            track=track,
            params={**asdict(config), "loss": dict(recipe.loss), "sampler": recipe.sampler},
            curve=tuple(CurvePoint(one.step, one.loss, _mean(one.ndcg)) for one in result.curve),
            best=result.chosen,
            dev=np.asarray(result.curve[result.chosen].ndcg),
            canary_difference=result.canary_difference,
            adapter=adapter,
            encoder=NewEncoder(folder / "run" / "model", of_items=track == "both_encoders"),
            twin=folder / "run" / TWIN if config.precision == "int8" else None,
            seconds=time.monotonic() - started,
            examples_per_second=result.examples_per_second,
            device=result.device,
            resumed_from=result.resumed_from,
        )

    async def _job(
        self,
        track: EncoderTrack,
        materials: Materials,
        config: EncoderConfig,
        recipe: LearningRecipe,
        folder: Path,
    ) -> EncoderJob:
        start = materials.start
        source = start.queries if track == "query_encoder" else start.items
        await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
        weights = await self._models.weights(source, folder / "start")
        return EncoderJob(
            track=track,
            model=str(weights.resolve()) if weights else source.model,
            source=source.model,
            query_prompt=source.query_prompt,
            item_prompt=source.item_prompt,
            config=config,
            loss=dict(recipe.loss),
            sampler=recipe.sampler,
        )

    async def _data(self, track: EncoderTrack, materials: Materials, recipe: LearningRecipe) -> EncoderData:
        start = materials.start
        both = track == "both_encoders"
        adapter = start.adapter if not both or start.queries == start.items else None
        dimensions = materials.item_vectors.shape[1]
        rows = np.ones(len(materials.train), np.bool_) if recipe.reads_gains else materials.train.weight > 0
        train = materials.train
        return EncoderData(
            queries=list(materials.queries),
            items=await self._reader.texts(materials) if both or recipe.teacher else [],
            item_vectors=materials.item_vectors,
            start=materials.begun,
            train=type(train)(train.query[rows], train.item[rows], train.weight[rows]),
            gains=materials.gains[rows],
            dev=materials.dev,
            dev_shown=materials.dev_shown,
            down=adapter.down if adapter else np.zeros((0, dimensions), np.float32),
            up=adapter.up if adapter else np.zeros((dimensions, 0), np.float32),
        )


def _config(kind: type[Any], params: Mapping[str, Any], share: float) -> Any:
    """Settings of a kind; what it does not know is not for it."""
    known = {field.name for field in fields(kind)}
    config = kind(**{name: value for name, value in params.items() if name in known})
    return kind(**{**asdict(config), "epochs": max(1, round(config.epochs * share))})


def _seldom(step: Step) -> Step:
    """Pass on what happens about once a second: every telling is written to the database."""
    last = 0.0

    async def tell(done: int, total: int) -> None:
        nonlocal last
        if (now := time.monotonic()) - last >= _FASTEST_TELLING or done == total:
            last = now
            await step(done, total)

    return tell


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _difference(trained: QueryAdapter, served: QueryAdapter, canaries: Floats) -> float:
    exact = canaries + canaries.astype(np.float64) @ trained.down.T.astype(np.float64) @ trained.up.T
    exact /= np.linalg.norm(exact, axis=1, keepdims=True)
    return float(np.abs(served.apply(canaries) - exact).max())
