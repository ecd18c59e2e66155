"""Training encoders on a judged set as the product does, and ranking the whole set by them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from embedding_studio.bench.learning.replay import NO_PAIRS, Replay, balanced
from embedding_studio.bench.learning.vectors import encoded
from embedding_studio.inference import OnnxEncoder
from embedding_studio.ml.encoder_training import train_encoder
from embedding_studio.ml.job import LEARNING_RATES, EncoderConfig, EncoderData, EncoderJob
from embedding_studio.ml.pairs import Pairs
from embedding_studio.sdk import EncoderSource, Learning

__all__ = ["EncoderReplay", "EncoderTrack", "from_the_base"]

EncoderTrack = Literal["query_encoder", "both_encoders"]
Gains = NDArray[np.float64]
Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class EncoderReplay:
    """Trains the base's encoder on pairs of a replay, without dev: the last point is taken, as with the adapter.

    Attributes:
        replay: Whose vectors are those of `source`.
        items: Texts of all items, in the order of the set.
        source: The base.
        work: Folder of what is gone after each training; made already.
        settings: What differs from the track's defaults.
    """

    replay: Replay
    items: Sequence[str]
    source: EncoderSource
    work: Path
    settings: Mapping[str, Any] = field(default_factory=dict)

    def gain(self, track: EncoderTrack, pairs: Pairs, *, seed: int) -> Gains:
        """What the exported encoder gains in nDCG@10 by test query; nothing where there are no pairs."""
        if not len(pairs):
            return self.replay.gained(self.replay.vectors.queries, self.replay.vectors.items)
        with TemporaryDirectory(dir=self.work) as name:
            folder = Path(name)
            train_encoder(folder, self._job(track, seed), self._data(track, pairs), lambda *_: None)
            encoder = OnnxEncoder.load(folder / "model", threads=torch.get_num_threads())
            return self._gained(track, encoder)

    def _job(self, track: EncoderTrack, seed: int) -> EncoderJob:
        recipe = Learning().build()
        return EncoderJob(
            track=track,
            model=self.source.model,
            source=self.source.model,
            query_prompt=self.source.query_prompt,
            item_prompt=self.source.item_prompt,
            config=EncoderConfig(**{"learning_rate": LEARNING_RATES[track], **self.settings, "seed": seed}),
            loss=recipe.loss,
            sampler=recipe.sampler,
        )

    def _data(self, track: EncoderTrack, pairs: Pairs) -> EncoderData:
        vectors = self.replay.vectors
        items = self.items if track == "both_encoders" else ()
        return from_the_base(self._queries, items, vectors.queries, vectors.items, balanced(pairs))

    def _gained(self, track: EncoderTrack, encoder: OnnxEncoder) -> Gains:
        queries = encoded(encoder, self._queries, "query")
        both = track == "both_encoders"
        items = encoded(encoder, self.items, "item") if both else self.replay.vectors.items
        return self.replay.gained(queries, items)

    @property
    def _queries(self) -> list[str]:
        return list(self.replay.judged.queries.values())


def from_the_base(
    queries: Sequence[str], items: Sequence[str], start: Vectors, item_vectors: Vectors, pairs: Pairs
) -> EncoderData:
    """What to train on where neither dev nor an adapter is.

    Args:
        queries: Texts.
        items: Texts; empty where items are not encoded.
        start: The base's vectors of the queries, float32 (queries, dimensions).
        item_vectors: The base's of the items, float32 (items, dimensions).
        pairs: With their weights in the loss.
    """
    dimensions = start.shape[1]
    return EncoderData(
        queries=list(queries),
        items=list(items),
        item_vectors=item_vectors,
        start=start,
        train=pairs,
        gains=np.ones(len(pairs), np.float32),
        dev=NO_PAIRS,
        dev_shown=NO_PAIRS,
        down=np.zeros((0, dimensions), np.float32),
        up=np.zeros((dimensions, 0), np.float32),
    )
