"""A cross-encoder of random weights, small enough to be made on the spot."""

from pathlib import Path
from string import ascii_lowercase, digits

import torch
from transformers import AutoConfig, AutoModelForSequenceClassification, BertTokenizer

__all__ = ["MAX_LENGTH", "save_cross_encoder"]

MAX_LENGTH = 48


def save_cross_encoder(folder: Path, *, seed: int = 0, labels: int = 1) -> str:
    """Write the model as the hub holds cross-encoders; returns the folder's name."""
    torch.manual_seed(seed)
    letters = [*ascii_lowercase, *digits, ",", "."]
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{letter}" for letter in letters), "sofa"]
    tokenizer = BertTokenizer({token: number for number, token in enumerate(tokens)}, model_max_length=MAX_LENGTH)
    config = AutoConfig.for_model(
        "bert",
        vocab_size=len(tokens),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
        initializer_range=0.5,  # else all scores are nearly the same
        num_labels=labels,
    )
    model = AutoModelForSequenceClassification.from_config(config)  # type: ignore[no-untyped-call]  # not typed
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)
