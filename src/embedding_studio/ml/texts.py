"""What a model says of its text side."""

from pathlib import Path
from typing import Any

from sentence_transformers import SentenceTransformer
from tokenizers import Tokenizer

from embedding_studio.kernel.errors import InvalidError

__all__ = ["dimensions", "max_length", "write_tokenizer"]

_LONGEST = 32_768
"""Tokenizers that know no maximum state a huge number instead."""


def write_tokenizer(found: Any, path: Path) -> None:
    """Write a tokenizer of transformers as `tokenizer.json`, without padding and truncation.

    Raises:
        InvalidError: It has no such form.
    """
    fast = getattr(found, "backend_tokenizer", None)
    if fast is None:
        raise InvalidError("the model's tokenizer has no tokenizer.json form")
    tokenizer = Tokenizer.from_str(fast.to_str())
    tokenizer.no_padding()
    tokenizer.no_truncation()
    tokenizer.save(str(path))


def max_length(model: SentenceTransformer) -> int:
    """Tokens that the model takes, special tokens included; raises InvalidError if it states no number."""
    length = model.max_seq_length
    if length is None or length > _LONGEST:
        raise InvalidError("the model states no maximum of tokens")
    return length


def dimensions(model: SentenceTransformer) -> int:
    """Length of the model's vectors; raises InvalidError if it states none."""
    found = model.get_embedding_dimension()
    if found is None:
        raise InvalidError("the model states no number of dimensions")
    return found
