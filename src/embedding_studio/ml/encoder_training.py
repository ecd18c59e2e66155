"""Training of an encoder with sentence-transformers' trainer, in a folder from which it can go on after any death.

The folder's checkpoints hold optimizer, schedule and random states as torch writes them: pickles, which stay on this
machine and are read back by transformers with `weights_only=True` alone. All that leaves the folder is safetensors,
ONNX and JSON.
"""

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from datasets import Dataset
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer, SentenceTransformerTrainingArguments
from torch import distributed
from transformers import PrinterCallback, TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.utils import logging

from embedding_studio.ml.choice import Choice, encode_canaries
from embedding_studio.ml.job import TWIN, EncoderData, EncoderJob, EncoderResult, Point
from embedding_studio.ml.objectives import build_objective
from embedding_studio.ml.pair_loss import PairLoss
from embedding_studio.ml.pairs import Pairs
from embedding_studio.ml.quantise import quantise
from embedding_studio.ml.ranking import ndcg_by_query
from embedding_studio.ml.samplers import sampler_of
from embedding_studio.ml.teacher import teach
from embedding_studio.ml.towers import WEIGHTS, begin, merge, write

__all__ = ["Pace", "Progress", "has_bfloat16", "train_encoder"]

_COMPLETE = "complete"
_ENCODED_AT_ONCE = 64

Floats = npt.NDArray[np.float32]

Progress = Callable[[int, int, Point | None], None]
"""Called with steps done, steps in all, and the point of the curve if there is a new one."""


def has_bfloat16() -> bool:
    """Whether there is a GPU that computes in bfloat16 itself: emulated, it would be slower than float32."""
    return torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False)


def train_encoder(folder: Path, job: EncoderJob, data: EncoderData, progress: Progress) -> EncoderResult:
    """Train, take the best point, and write the encoder into `model` of the folder; that of int8 beside its twin.

    A training that was cut short goes on from its last whole checkpoint. The same job gives the same numbers on the
    same machine, whether it was cut short or not.

    Args:
        folder: Of the job; checkpoints are in it.
        job: What to train.
        data: What to train on.
        progress: Hears of every step.

    Raises:
        UnavailableError: The model or the teacher cannot be loaded.
        InvalidError: They are of a kind that cannot be trained, or the export computes other vectors.
    """
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]  # transformers has not typed it
    torch.manual_seed(job.config.seed)
    model = begin(job, data)
    until = time.monotonic() + job.config.seconds
    choice = Choice(
        folder / "choice",
        _Dev(job, data),
        report=lambda point: progress(point.step, 0, point),
        is_over=lambda choice: time.monotonic() >= until or _is_stale(choice, job),
    )
    watch = _Watch(choice, job, progress, until=until)
    trainer = _trainer(folder, model, job, data, choice, watch)
    checkpoint = _last_checkpoint(folder / "checkpoints")
    step = int(checkpoint.name.rpartition("-")[2]) if checkpoint else None
    if trainer.is_world_process_zero():
        choice.go_back_to(-1 if step is None else step)
        if checkpoint is None:
            choice(model, steps=0)
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    result = EncoderResult((), 0, 0.0, watch.pace.examples_per_second, str(model.device), step)
    if not trainer.is_world_process_zero():
        return result
    restored = trainer.accelerator.unwrap_model(trainer.model)
    difference = _publish(folder, restored, job, choice)
    return EncoderResult(
        tuple(choice.curve), choice.chosen, difference, watch.pace.examples_per_second, str(watch.device), step
    )


class _Dev:
    """nDCG@10 of each dev query by the model as it stands, on the lists that were shown."""

    def __init__(self, job: EncoderJob, data: EncoderData) -> None:
        self._job = job
        queries, query = np.unique(data.dev.query, return_inverse=True)
        items, item = np.unique(np.r_[data.dev.item, data.dev_shown.item], return_inverse=True)
        place = {row: number for number, row in enumerate(queries.tolist())}
        judged = len(data.dev)
        self._dev = Pairs(query.astype(np.int64), item[:judged].astype(np.int64), data.dev.weight)
        shown = np.array([place.get(row, -1) for row in data.dev_shown.query.tolist()], np.int64)
        known = shown >= 0
        self._shown = Pairs(shown[known], item[judged:][known].astype(np.int64), data.dev_shown.weight[known])
        self._queries = [data.queries[row] for row in queries]
        self._texts = [data.items[row] for row in items] if data.items else []
        self._vectors = data.item_vectors[items]
        self._behind = job.track == "both_encoders" and data.has_adapter
        self._down, self._up = data.down, data.up

    def __call__(self, model: SentenceTransformer) -> npt.NDArray[np.float64]:
        """In the order of the queries' rows; a query without a wanted item is left out."""
        if not self._queries:
            return np.zeros(0)
        queries = _encode(model, self._queries, self._job.query_prompt)
        if self._behind:
            queries += queries @ self._down.T @ self._up.T
        both = self._job.track == "both_encoders"
        items = _encode(model, self._texts, self._job.item_prompt) if both else self._vectors
        return ndcg_by_query(queries, items, self._dev, self._shown)


class _Trainer(SentenceTransformerTrainer):
    """Checkpoints hold the bare weights: they are read back into the same modules, whatever those are."""

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        del state_dict
        folder = Path(output_dir or self.args.output_dir or ".")
        folder.mkdir(parents=True, exist_ok=True)
        state = self.accelerator.unwrap_model(self.model).state_dict()
        save_file({name: tensor.cpu().contiguous().clone() for name, tensor in state.items()}, folder / "w.safetensors")

    def add_model_card_callback(self, default_args_dict: dict[str, Any]) -> None:
        """Write no model card."""

    def _load_from_checkpoint(self, checkpoint_path: str, model: Any = None) -> None:
        del model
        state = load_file(Path(checkpoint_path) / "w.safetensors", device=str(self.model.device))
        self.model.load_state_dict(state, strict=True)


class Pace:
    """Examples by the time between steps; looks at dev and checkpoints are left out."""

    def __init__(self) -> None:
        self._last: float | None = None
        self._seconds, self._examples = 0.0, 0

    @property
    def examples_per_second(self) -> float:
        """0 before the second step."""
        return self._examples / self._seconds if self._seconds else 0.0

    def step(self, examples: int) -> None:
        """Count a step that has ended."""
        now = time.monotonic()
        if self._last is not None:
            self._seconds += now - self._last
            self._examples += examples
        self._last = now

    def go_on(self) -> None:
        """Leave out the time since the last step."""
        self._last = time.monotonic()


class _Watch(TrainerCallback):
    """Time, progress, and when to stop. Of several processes the first one's clock counts."""

    def __init__(self, choice: Choice, job: EncoderJob, progress: Progress, *, until: float) -> None:
        self._choice = choice
        self._config = job.config
        self._progress = progress
        self._until = until
        self._group: distributed.ProcessGroup | None = None
        self.pace = Pace()
        self.device: object = None

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Meet the other processes, beside the GPUs' own way: what is told there would wait for the GPUs."""
        del state, control
        if args.world_size > 1:
            self._group = distributed.new_group(backend="gloo")

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Count the step; past the time, look at dev once more."""
        self.device = args.device
        self.pace.step(self._config.batch_size * args.world_size)
        if state.is_world_process_zero:
            self._progress(state.global_step, state.max_steps, None)
        if self._agreed(over=time.monotonic() >= self._until):
            control.should_evaluate = True

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, logs: Any = None, **_: Any
    ) -> None:
        """Keep the loss for the next point of the curve."""
        del args, state, control
        if logs and "loss" in logs:
            self._choice.loss = float(logs["loss"])

    def on_evaluate(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, metrics: Any = None, **_: Any
    ) -> None:
        """Stop if the process that looked at dev says so."""
        del args, state
        self.pace.go_on()
        if metrics and metrics.get("eval_is_over"):
            control.should_training_stop = True

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Mark the checkpoint as whole once all have written; then what is older is not needed any more."""
        del control
        if self._group is not None:
            distributed.barrier(group=self._group)
        if state.is_world_process_zero:
            folder = Path(args.output_dir or ".")
            checkpoint = folder / f"checkpoint-{state.global_step}"
            (checkpoint / _COMPLETE).touch()
            for other in folder.glob("checkpoint-*"):
                if other != checkpoint:
                    shutil.rmtree(other)
            self._choice.prune()
        self.pace.go_on()

    def _agreed(self, *, over: bool) -> bool:
        """What the first process says."""
        if self._group is None:
            return over
        told = torch.tensor([over], dtype=torch.uint8)
        distributed.broadcast(told, src=0, group=self._group)
        return bool(told)


def _is_stale(choice: Choice, job: EncoderJob) -> bool:
    """Whether dev has shown for too long that training has gone too far."""
    return len(choice.curve) > choice.chosen + job.config.patience


def _trainer(
    folder: Path, model: SentenceTransformer, job: EncoderJob, data: EncoderData, choice: Choice, watch: _Watch
) -> _Trainer:
    columns: dict[str, list[Any]] = {"query": [data.queries[row] for row in data.train.query]}
    if job.track == "both_encoders":
        columns["item"] = [data.items[row] for row in data.train.item]
    columns["label"] = list(range(len(data.train)))
    arguments = _arguments(folder / "checkpoints", job, data)
    loss = PairLoss(
        model,
        data,
        build_objective(_with_settings(job)),
        teaching=teach(job, data, arguments.device),
        chunk=_innermost(job.loss).get("chunk"),
        reduced=has_bfloat16(),
    )
    trainer = _Trainer(
        model=model,
        args=arguments,
        train_dataset=Dataset.from_dict(columns),
        loss=loss,
        evaluator=choice,
        callbacks=[watch],
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def _arguments(folder: Path, job: EncoderJob, data: EncoderData) -> SentenceTransformerTrainingArguments:
    config = job.config
    cuda = torch.cuda.is_available()
    steps = -(-len(data.train) // (config.batch_size * int(os.environ.get("WORLD_SIZE", "1"))))
    every = max(1, steps // config.evaluations)
    arguments = SentenceTransformerTrainingArguments(
        output_dir=str(folder),
        num_train_epochs=config.epochs,
        per_device_train_batch_size=config.batch_size,
        per_device_eval_batch_size=config.batch_size,
        learning_rate=config.learning_rate,
        warmup_steps=steps * config.epochs // 10,
        seed=config.seed,
        data_seed=config.seed,
        use_cpu=not cuda,
        eval_strategy="steps",
        eval_steps=every,
        save_strategy="steps",
        save_steps=every,
        logging_steps=every,
        disable_tqdm=True,
        report_to="none",
        dataloader_pin_memory=cuda,
        batch_sampler=sampler_of(job.sampler, data.train.query),
        prompts={"query": job.query_prompt, "item": job.item_prompt},
    )
    arguments.mixed_precision = "no"  # `PairLoss` reduces; accelerate, told so by a launcher, would reduce all else too
    return arguments


def _with_settings(job: EncoderJob) -> dict[str, Any]:
    """The loss, with what the configuration says instead of the loss's own settings."""
    given = {"scale": job.config.scale, "anchor": job.config.anchor}
    wanted = {name: value for name, value in given.items() if value is not None}
    if job.loss["kind"] == "matryoshka":
        return {**job.loss, "loss": {**job.loss["loss"], **wanted}}
    return {**job.loss, **wanted}


def _innermost(loss: Any) -> dict[str, Any]:
    found: dict[str, Any] = loss["loss"] if loss["kind"] == "matryoshka" else loss
    return found


def _last_checkpoint(folder: Path) -> Path | None:
    """The newest checkpoint that is whole."""
    whole = [path.parent for path in folder.glob(f"checkpoint-*/{_COMPLETE}")]
    return max(whole, key=lambda path: int(path.name.rpartition("-")[2]), default=None)


def _publish(folder: Path, model: SentenceTransformer, job: EncoderJob, choice: Choice) -> float:
    """Write the chosen point's model; returns how far its canaries are from those of the point when it was reached."""
    choice.restore(model)
    before = encode_canaries(model)
    merge(model)
    draft = folder / "model.draft"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir()
    write(model, job, draft)
    if job.config.precision == "int8":
        _keep_twin(draft, folder / TWIN)
        quantise(draft)
    shutil.rmtree(folder / "model", ignore_errors=True)
    draft.rename(folder / "model")
    return float(np.abs(encode_canaries(model) - before).max())


def _keep_twin(export: Path, twin: Path) -> None:
    shutil.rmtree(twin, ignore_errors=True)
    shutil.copytree(export, twin, ignore=shutil.ignore_patterns(WEIGHTS))


def _encode(model: SentenceTransformer, texts: list[str], prompt: str) -> Floats:
    vectors = model.encode(
        texts, prompt=prompt, batch_size=_ENCODED_AT_ONCE, show_progress_bar=False, normalize_embeddings=True
    )
    return np.asarray(vectors, np.float32)
