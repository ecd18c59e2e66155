"""The model that is trained: loaded, made trainable, merged and written."""

import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Dense, Normalize, Transformer

from embedding_studio.kernel.encoder import EncoderDescription
from embedding_studio.kernel.errors import InvalidError
from embedding_studio.ml.export import write_encoder
from embedding_studio.ml.job import EncoderData, EncoderJob
from embedding_studio.ml.sources import load_model

__all__ = ["WEIGHTS", "begin", "merge", "write"]

WEIGHTS = "torch"
"""The folder beside what serves."""


def begin(job: EncoderJob, data: EncoderData) -> SentenceTransformer:
    """The model that training begins with: it makes the vectors of the version that it begins from.

    For `query_encoder` an adapter of that version becomes its last layer.

    Raises:
        UnavailableError: The model cannot be loaded.
        InvalidError: It is no transformer with pooling.
    """
    model = load_model(job.model)
    with suppress(ValueError):  # it knows plain attention alone
        _attend(model, "sdpa")
    if job.track == "query_encoder" and data.has_adapter:
        _append_adapter(model, data)
    if job.config.lora_rank:
        _add_lora(model, job.config.lora_rank)
    return model


def merge(model: SentenceTransformer) -> None:
    """Add low-rank updates to the weights that they update, for good; without any nothing happens."""
    transformer = _transformer(model)
    inner: Any = transformer.model
    if isinstance(inner, PeftModel):
        transformer.model = inner.merge_and_unload()


def write(model: SentenceTransformer, job: EncoderJob, folder: Path) -> EncoderDescription:
    """Write what serves, and beside it a folder with the weights that training can go on from."""
    model.eval().float().to("cpu")
    _attend(model, "eager")
    prompts = {"source": job.source, "query_prompt": job.query_prompt, "item_prompt": job.item_prompt}
    description = write_encoder(model, prompts, folder)
    model.save(str(folder / WEIGHTS), create_model_card=False)
    return description


def _append_adapter(model: SentenceTransformer, data: EncoderData) -> None:
    size = data.up.shape[0]
    dense = Dense(size, size, bias=False, activation_function=torch.nn.Identity())
    matrix = np.eye(size) + data.up.astype(np.float64) @ data.down
    with torch.no_grad():
        dense.linear.weight.copy_(torch.from_numpy(matrix))
    model.append(dense)
    model.append(Normalize())


def _add_lora(model: SentenceTransformer, rank: int) -> None:
    transformer = _transformer(model)
    config = LoraConfig(r=rank, lora_alpha=2 * rank, lora_dropout=0.0, target_modules="all-linear")
    with warnings.catch_warnings():
        # peft asks for a property of models that transformers has renamed; the versions are pinned together.
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
        transformer.model = get_peft_model(transformer.model, config)


def _attend(model: SentenceTransformer, how: Literal["sdpa", "eager"]) -> None:
    """Fused attention (`sdpa`) trains a quarter to a third faster on texts of 256 tokens; plain one can be traced."""
    _transformer(model).model.set_attn_implementation(how)


def _transformer(model: SentenceTransformer) -> Any:
    """Its `model` is one of transformers', or one of peft around that."""
    transformer = next(model.children(), None)
    if not isinstance(transformer, Transformer):
        raise InvalidError("the model is no transformer with pooling")
    return transformer
