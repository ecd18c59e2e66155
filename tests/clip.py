"""A CLIP of random weights, small enough to be made on the spot."""

from pathlib import Path
from typing import Any

import torch
from tokenizers.pre_tokenizers import ByteLevel
from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPProcessor, CLIPTokenizer

__all__ = ["DIMENSIONS", "SIZE", "save_clip"]

SIZE = 32
DIMENSIONS = 16
_BEGIN, _END = "<|startoftext|>", "<|endoftext|>"


def save_clip(folder: Path, *, seed: int = 0) -> str:
    """Write the model as the hub holds CLIP models; returns the folder's name."""
    torch.manual_seed(seed)
    tokenizer = _tokenizer()
    layers = {"num_hidden_layers": 2, "num_attention_heads": 2, "hidden_size": 32, "intermediate_size": 64}
    text = {
        "vocab_size": len(tokenizer),
        "max_position_embeddings": 24,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        **layers,
    }
    vision = {"image_size": SIZE, "patch_size": 8, **layers}
    CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=DIMENSIONS)).save_pretrained(folder)
    images = CLIPImageProcessor(size={"shortest_edge": SIZE}, crop_size={"height": SIZE, "width": SIZE})
    processor = CLIPProcessor(images, tokenizer)  # type: ignore[no-untyped-call]  # transformers has not typed it
    processor.save_pretrained(folder)
    return str(folder)


def _tokenizer() -> CLIPTokenizer:
    letters = sorted(ByteLevel.alphabet())
    tokens = [*letters, *(f"{letter}</w>" for letter in letters), "th", "the</w>", _BEGIN, _END]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    merges: Any = [("t", "h"), ("th", "e</w>")]
    return CLIPTokenizer(vocabulary, merges, model_max_length=24)
