"""Where vectors come from."""

import hashlib
import re
from dataclasses import dataclass

__all__ = ["DEFAULT_MODEL", "EncoderSource", "SentenceEncoder"]

DEFAULT_MODEL = "all-MiniLM-L6-v2"


@dataclass(frozen=True, slots=True)
class EncoderSource:
    """A model and how it is asked; equal sources give comparable vectors.

    Attributes:
        model: A packaged model's name, a hub id or a folder.
        query_prompt: Text put before every query.
        item_prompt: Text put before every item text.
    """

    model: str
    query_prompt: str
    item_prompt: str

    @property
    def key(self) -> str:
        """A folder name that differs where the sources differ."""
        digest = hashlib.sha256(repr((self.model, self.query_prompt, self.item_prompt)).encode()).hexdigest()
        return f"{re.sub(r'[^a-zA-Z0-9-]+', '-', self.model).strip('-')}-{digest[:12]}"


@dataclass(frozen=True, slots=True)
class SentenceEncoder:
    """A sentence-transformers model, for queries and items alike.

    Attributes:
        model: `all-MiniLM-L6-v2` comes from an installed wheel; other names are hub ids or folders.
        query_prompt: Text put before every query, for models that want one.
        item_prompt: Text put before every item text.
    """

    model: str = DEFAULT_MODEL
    query_prompt: str = ""
    item_prompt: str = ""

    def build(self) -> EncoderSource:
        """The model with its prompts."""
        return EncoderSource(self.model, self.query_prompt, self.item_prompt)
