"""Section `trainer`: examples a second of our training beside a bare `SentenceTransformerTrainer`.

Both train the same model on the same pairs with the same batches' size and precision, on the device there is: our loss,
with its weights, masks and anchor, beside the multiple negatives ranking loss. Claims stand against titles: with short
texts the loop's own cost weighs most. Of ours, looks at dev, checkpoints and the export are left out: the bare one has
none.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer, SentenceTransformerTrainingArguments
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
from transformers import PrinterCallback, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from embedding_studio.bench.figures import Figure, at_least, seen
from embedding_studio.bench.findings import Findings
from embedding_studio.bench.learning.encoder_replay import from_the_base
from embedding_studio.bench.learning.stage import Stage
from embedding_studio.ml.encoder_training import Pace, has_bfloat16, train_encoder
from embedding_studio.ml.job import EncoderConfig, EncoderData, EncoderJob
from embedding_studio.ml.pairs import Pairs
from embedding_studio.ml.sources import load_model, locate
from embedding_studio.sdk import Learning
from embedding_studio.simulation.judged import JudgedSet

__all__ = ["PACES", "Race", "measure_trainer"]

_NAME = "trainer"
_SET = "scifact"
_TURNS = 3
_PAIRS = 480
_EPOCHS_ON_CUDA = 20
_ASKED = 0.95


@dataclass(frozen=True, slots=True)
class Race:
    """What both train on.

    Attributes:
        model: A name as `sources.locate` reads it, or a folder of weights.
        queries: A text a pair.
        items: The same of what answers them.
        work: Folder of what is gone after each training; made already.
        epochs: Passes over the pairs.
    """

    model: str
    queries: Sequence[str]
    items: Sequence[str]
    work: Path
    epochs: int = 1


async def measure_trainer(stage: Stage) -> Findings:
    """Examples a second, in turns."""
    work = stage.data_dir / _NAME
    work.mkdir(parents=True, exist_ok=True)
    queries, titles = _claims(JudgedSet.read(stage.sets / _SET))
    race = Race(stage.model, queries, titles, work, _EPOCHS_ON_CUDA if torch.cuda.is_available() else 1)
    paces: dict[str, list[float]] = {name: [] for name in PACES}
    for warm_up in PACES.values():
        await asyncio.to_thread(warm_up, replace(race, epochs=1))
    for turn in range(_TURNS):
        stage.say(f"Turn {turn + 1} of {_TURNS}")
        for name in sorted(PACES, reverse=turn % 2 == 1):
            paces[name].append(await asyncio.to_thread(PACES[name], race))
    return Findings(_figures(paces))


def _figures(paces: Mapping[str, Sequence[float]]) -> list[Figure]:
    ours, bare = median(paces["ours"]), median(paces["bare"])
    turns = ", ".join(f"{one / other:.3f}" for one, other in zip(paces["ours"], paces["bare"], strict=True))
    note = f"{_device()}; ours over bare by turn: {turns}"
    return [
        seen(_NAME, "examples_per_second", ours, floor=bare, note=note),
        at_least(_NAME, "share_of_bare", ours / bare, _ASKED),
    ]


def _device() -> str:
    if not torch.cuda.is_available():
        return f"CPU, {torch.get_num_threads()} threads, float32"
    return f"{torch.cuda.get_device_name()}, {'bfloat16' if has_bfloat16() else 'float32'}"


def _claims(judged: JudgedSet) -> tuple[list[str], list[str]]:
    """The first claims, each with the titles of what answers it."""
    titles = {item["id"]: str(item["payload"]["title"]) for item in judged.items}
    pairs = [
        (judged.queries[query], titles[item])
        for query, gains in judged.gains.items()
        for item, gain in gains.items()
        if gain > 0
    ][:_PAIRS]
    return [query for query, _ in pairs], [title for _, title in pairs]


def _ours(race: Race) -> float:
    recipe = Learning().build()
    job = EncoderJob(
        track="both_encoders",
        model=race.model,
        source=race.model,
        config=EncoderConfig(epochs=race.epochs, evaluations=1),
        loss=recipe.loss,
        sampler=recipe.sampler,
    )
    with TemporaryDirectory(dir=race.work) as folder:
        return train_encoder(Path(folder), job, _data(race), lambda *_: None).examples_per_second


def _data(race: Race) -> EncoderData:
    """Pairs of equal texts are pairs of one query and one item."""
    encoder = load_model(race.model)
    (queries, query), (items, item) = _distinct(race.queries), _distinct(race.items)
    start, vectors = (
        np.asarray(encoder.encode(texts, normalize_embeddings=True, show_progress_bar=False), np.float32)
        for texts in (queries, items)
    )
    return from_the_base(queries, items, start, vectors, Pairs(query, item, np.ones(len(query), np.float32)))


def _distinct(texts: Sequence[str]) -> tuple[list[str], NDArray[np.int64]]:
    """Each text once, and where each of the texts is among them."""
    row = {text: number for number, text in enumerate(dict.fromkeys(texts))}
    return list(row), np.array([row[text] for text in texts], np.int64)


class _Steps(TrainerCallback):
    """Counts steps as our own training does."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Count the step."""
        del state, control
        self._pace.step(args.per_device_train_batch_size)


def _bare(race: Race) -> float:
    cuda = torch.cuda.is_available()
    defaults = EncoderConfig()
    model = SentenceTransformer(locate(race.model))
    pace = Pace()
    with TemporaryDirectory(dir=race.work) as folder:
        trainer = SentenceTransformerTrainer(
            model=model,
            args=SentenceTransformerTrainingArguments(
                output_dir=folder,
                num_train_epochs=race.epochs,
                per_device_train_batch_size=defaults.batch_size,
                learning_rate=defaults.learning_rate,
                bf16=has_bfloat16(),
                use_cpu=not cuda,
                save_strategy="no",
                disable_tqdm=True,
                report_to="none",
                dataloader_pin_memory=cuda,
            ),
            train_dataset=Dataset.from_dict({"query": list(race.queries), "item": list(race.items)}),
            loss=MultipleNegativesRankingLoss(model),
            callbacks=[_Steps(pace)],
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train()
    return pace.examples_per_second


PACES: Mapping[str, Callable[[Race], float]] = {"ours": _ours, "bare": _bare}
"""Examples a second."""
