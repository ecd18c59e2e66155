"""From a wish for a better model to the candidate that the gate will judge."""

import asyncio
import hashlib
import shutil
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from embedding_studio.fine_tuning.errors import TrainingFailedError
from embedding_studio.fine_tuning.materials import Materials
from embedding_studio.fine_tuning.search import halve, proposals
from embedding_studio.fine_tuning.tracks import ORDER, OneTrack, Track, cheapest_unbeaten
from embedding_studio.fine_tuning.training import AdapterTrainer, Candidate, EncoderTrainer, Step
from embedding_studio.inference import ModelService
from embedding_studio.ml.job import TWIN
from embedding_studio.sdk import LearningRecipe

__all__ = ["Learned", "Learner", "Trial"]

_WORTH_BEGINNING = 30.0  # seconds
_WINNERS = 6
_ABANDONED = 14 * 24 * 3600.0  # seconds: longer than a task may take


@dataclass(frozen=True, slots=True)
class Trial:
    """A training that was tried, or why it was not.

    Attributes:
        track: Of the training.
        params: Its settings.
        share: Of the epochs.
        dev_ndcg: Mean nDCG@10 on dev; None where nothing came of it.
        seconds: That it took.
        note: Why nothing came of it.
        resumed_from: The step that training went on from after its worker had died; None: it was not cut short.
    """

    track: OneTrack
    params: Mapping[str, Any]
    share: float = 1.0
    dev_ndcg: float | None = None
    seconds: float = 0.0
    note: str | None = None
    resumed_from: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """As the task's result tells it."""
        return {
            "track": self.track,
            "params": dict(self.params),
            "share": round(self.share, 3),
            "dev_ndcg@10": self.dev_ndcg,
            "seconds": round(self.seconds, 3),
            "note": self.note,
            "resumed_from": self.resumed_from,
        }


@dataclass(frozen=True, slots=True)
class Learned:
    """The candidate, and all that was tried for it, in order."""

    candidate: Candidate
    trials: tuple[Trial, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wish:
    """What all trainings of a task have in common."""

    materials: Materials
    recipe: LearningRecipe
    params: Mapping[str, Any]
    folder: Path
    until: float
    step: Step
    trials: list[Trial]

    @property
    def left(self) -> float:
        """Seconds."""
        return self.until - time.monotonic()


class Learner:
    """Tries tracks and settings within a time, by dev alone: the gate looks at the one that is left.

    Args:
        adapters: Trains adapters.
        encoders: Trains encoders.
        models: Knows the earlier winners.
        work: Where trainings under way keep their folders.
        seconds: That a task may train, where it does not say.
    """

    def __init__(
        self, *, adapters: AdapterTrainer, encoders: EncoderTrainer, models: ModelService, work: Path, seconds: float
    ) -> None:
        self._adapters = adapters
        self._encoders = encoders
        self._models = models
        self._work = work
        self._seconds = seconds

    async def learn(
        self,
        track: Track,
        materials: Materials,
        recipe: LearningRecipe,
        params: Mapping[str, Any],
        *,
        task_id: str,
        step: Step,
    ) -> Learned:
        """Train what was asked for; `auto` tries all tracks and keeps the cheapest that none beats.

        Args:
            track: What to train.
            materials: Of the data set.
            recipe: The plugin's loss and sampler.
            params: Of the track.
            task_id: A later attempt of the same task goes on where this one was.
            step: Told of progress.

        Raises:
            TrainingFailedError: Training gave up.
            UnavailableError: It died, or a model cannot be loaded now.
        """
        wish = _Wish(
            materials=materials,
            recipe=recipe,
            params={name: value for name, value in params.items() if name != "seconds"},
            folder=self._work / task_id,
            until=time.monotonic() + params.get("seconds", self._seconds),
            step=step,
            trials=[],
        )
        await asyncio.to_thread(_clean, self._work)
        if track != "auto":
            return Learned(await self._searched(track, wish), tuple(wish.trials))
        return await self._auto(wish)

    async def forget(self, task_id: str) -> None:
        """Delete what the trainings of a task left."""
        await asyncio.to_thread(shutil.rmtree, self._work / task_id, ignore_errors=True)

    async def _auto(self, wish: _Wish) -> Learned:
        candidates = [await self._searched(ORDER[0], wish)]
        dearer = ORDER[1:] if wish.materials.start.items.kind == "text" else ()
        for track in dearer:
            if wish.left < _WORTH_BEGINNING:
                wish.trials.append(Trial(track, {}, note="no time was left"))
                continue
            try:
                candidates.append(await self._searched(track, wish))
            except TrainingFailedError as error:
                wish.trials.append(Trial(track, {}, note=error.detail))
        chosen = cheapest_unbeaten([(candidate, candidate.dev) for candidate in candidates])
        return Learned(chosen, tuple(wish.trials))

    async def _searched(self, track: OneTrack, wish: _Wish) -> Candidate:
        asked = {name: value for name, value in wish.params.items() if name != "search"}
        count = wish.params.get("search", 1)
        earlier = await self._models.promoted(wish.materials.collection, track, limit=_WINNERS) if count > 1 else []
        winners = [model.params for model in earlier]
        configs = proposals(track, count, winners=winners, asked=asked, seed=asked.get("seed", 0))

        async def train(config: Mapping[str, Any], share: float) -> Candidate:
            return await self._tried(track, config, share, wish)

        return await halve(configs, train, value=lambda candidate: candidate.dev_ndcg)

    async def _tried(self, track: OneTrack, config: Mapping[str, Any], share: float, wish: _Wish) -> Candidate:
        candidate = await self._train(track, config, share, wish)
        tried = Trial(
            track,
            config,
            share,
            dev_ndcg=candidate.dev_ndcg,
            seconds=candidate.seconds,
            resumed_from=candidate.resumed_from,
        )
        wish.trials.append(tried)
        return candidate

    async def _train(self, track: OneTrack, config: Mapping[str, Any], share: float, wish: _Wish) -> Candidate:
        if track == "query_adapter":
            return await self._adapters.train(wish.materials, config, share=share)
        folder = wish.folder / _name(track, config, share)
        candidate = await self._encoders.train(
            track,
            wish.materials,
            config,
            recipe=wish.recipe,
            folder=folder,
            seconds=max(1.0, wish.left),
            step=wish.step,
            share=share,
        )
        if share < 1:
            await asyncio.to_thread(_prune, folder)
        return candidate


def _name(track: OneTrack, config: Mapping[str, Any], share: float) -> str:
    told = msgspec.json.encode([track, sorted(config.items()), share])
    return f"{track}-{hashlib.sha256(told).hexdigest()[:12]}"


def _prune(folder: Path) -> None:
    """Of a training that is not the last of its settings only the figures are needed."""
    for name in ("model", TWIN, "checkpoints", "choice"):
        shutil.rmtree(folder / "run" / name, ignore_errors=True)


def _clean(work: Path) -> None:
    """Delete what tasks left that nobody has gone on with for two weeks."""
    before = time.time() - _ABANDONED
    for folder in work.glob("*"):
        with suppress(FileNotFoundError):  # its task has just ended
            if folder.stat().st_mtime < before:
                shutil.rmtree(folder, ignore_errors=True)
