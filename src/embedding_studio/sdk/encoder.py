"""Where vectors come from."""

import hashlib
import re
from dataclasses import dataclass
from typing import Literal

__all__ = ["DEFAULT_CLIP", "DEFAULT_MODEL", "ClipEncoder", "EncoderKind", "EncoderSource", "SentenceEncoder"]

DEFAULT_MODEL = "all-MiniLM-L6-v2"
DEFAULT_CLIP = "clip-ViT-B-32"

EncoderKind = Literal["text", "clip", "pair"]
"""`clip` takes images too and puts them into the same space as texts; `pair` gives a query and a text a score."""


@dataclass(frozen=True, slots=True)
class EncoderSource:
    """A model and how it is asked; equal sources give comparable vectors.

    Attributes:
        model: A packaged model's name, a hub id or a folder.
        query_prompt: Text put before every query.
        item_prompt: Text put before every item text.
        kind: What the model takes.
    """

    model: str
    query_prompt: str
    item_prompt: str
    kind: EncoderKind = "text"

    @property
    def key(self) -> str:
        """A folder name that differs where the sources differ."""
        told_apart = (self.model, self.query_prompt, self.item_prompt, *([] if self.kind == "text" else [self.kind]))
        digest = hashlib.sha256(repr(told_apart).encode()).hexdigest()
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


@dataclass(frozen=True, slots=True)
class ClipEncoder:
    """A CLIP model as sentence-transformers loads it: texts and images in one space, vectors of norm 1.

    Attributes:
        model: A hub id or a folder; a bare name is one of sentence-transformers' own models.
    """

    model: str = DEFAULT_CLIP

    def build(self) -> EncoderSource:
        """The model, without prompts."""
        return EncoderSource(self.model, query_prompt="", item_prompt="", kind="clip")
