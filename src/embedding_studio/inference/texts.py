"""What a text is before the graph sees it: its prompt and its tokens."""

from collections.abc import Sequence
from pathlib import Path

from tokenizers import Tokenizer

from embedding_studio.inference.exported import open_tokenizer, read_description
from embedding_studio.kernel.encoder import EncoderDescription, TextKind

__all__ = ["TextReader", "Tokens"]

Tokens = Sequence[int]
"""Ids of a text's tokens, special ones included."""


class TextReader:
    """The half of an exported encoder that needs no graph; many threads may read at once.

    Attributes:
        description: What the vectors are comparable with.
        tokenizer: Cuts texts at `description.max_length`; not to be changed.
    """

    def __init__(self, description: EncoderDescription, tokenizer: Tokenizer) -> None:
        self.description = description
        self.tokenizer = tokenizer

    @classmethod
    def load(cls, folder: Path) -> "TextReader":
        """Read it from an export.

        Raises:
            UnavailableError: A file is not there (yet).
            InvalidError: A file is not the one that was described.
        """
        description = read_description(folder, EncoderDescription)
        return cls(description, open_tokenizer(folder, description))

    def read(self, texts: Sequence[str], kind: TextKind) -> list[Tokens]:
        """The tokens of each text behind the prompt of its kind; what is longer than `max_length` is cut."""
        prompt = self.description.prompt(kind)
        return [encoding.ids for encoding in self.tokenizer.encode_batch_fast([prompt + text for text in texts])]
